package okta

import (
	"testing"

	"github.com/mach5/okta-connector/abi"
)

func TestListAuthorizationServers_EachResponse_HasItsOutcome(t *testing.T) {
	const list = "GET /api/v1/authorizationServers"
	for _, c := range []invoking{
		{"the next page", `{"q":"x"}`, answering{list: {paged(`[{"id":"aus1"}]`, "/api/v1/authorizationServers?after=1"), answer(200, `[{"id":"aus2"}]`)}}, abi.Succeeded, "",
			list + " q=x limit=200\n" + list + " -> /api/v1/authorizationServers?after=1", nil, 2},
		{"the limit is reached", `{"limit":2}`, answering{list: {paged(`[{"id":"aus1"},{"id":"aus2"}]`, "/api/v1/authorizationServers?after=1")}}, abi.Succeeded, "", list + " limit=2", nil, 2},
		{"an org without the feature", `{}`, answering{list: {noFeature}}, abi.Rejected, "feature", "", []string{"does not have this feature"}, 0},
	} {
		c.run(t, "list_authorization_servers")
	}
}

func TestListScopesAndClaims_EachResponse_HasItsOutcome(t *testing.T) {
	const scopes, claims = "GET /api/v1/authorizationServers/{authServerId}/scopes", "GET /api/v1/authorizationServers/{authServerId}/claims"
	for _, c := range []invoking{
		{"all", `{"authorization_server":"default","q":"a","filter":"b"}`, answering{scopes: {answer(200, `[{"id":"scp1"}]`)}}, abi.Succeeded, "",
			scopes + " [authServerId:default] q=a filter=b limit=200", nil, 1},
		{"an unknown server", `{"authorization_server":"aus1"}`, answering{scopes: {notFound("AuthorizationServer")}}, abi.NotFound, "not_found", "", []string{"authorization server"}, 0},
	} {
		c.run(t, "list_scopes")
	}
	for _, c := range []invoking{
		{"all on one page", `{"authorization_server":"default"}`, answering{claims: {answer(200, `[{"id":"ocl1"},{"id":"ocl2"}]`)}}, abi.Succeeded, "", claims + " [authServerId:default]", nil, 2},
		{"an unknown server", `{"authorization_server":"aus1"}`, answering{claims: {notFound("AuthorizationServer")}}, abi.NotFound, "not_found", "", nil, 0},
		{"refused", `{"authorization_server":"aus1"}`, answering{claims: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
	} {
		c.run(t, "list_claims")
	}
}
