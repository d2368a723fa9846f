package okta

import (
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

func TestListOAuthClients_EachResponse_HasItsOutcome(t *testing.T) {
	const org, server = "GET /oauth2/v1/clients", "GET /api/v1/authorizationServers/{authServerId}/clients"
	for _, c := range []invoking{
		{"the org's", `{"q":"x"}`, answering{org: {paged(`[{"client_id":"0oa1"}]`, "/oauth2/v1/clients?after=0oa1"), answer(200, `[{"client_id":"0oa2"}]`)}}, abi.Succeeded, "",
			org + " q=x limit=200\n" + org + " -> /oauth2/v1/clients?after=0oa1", nil, 2},
		{"clients of a server", `{"authorization_server":"default"}`, answering{server: {answer(200, `[{"client_id":"0oa1"}]`)}}, abi.Succeeded, "", server + " [authServerId:default]", nil, 1},
		{"an unknown server", `{"authorization_server":"aus1"}`, answering{server: {notFound("AuthorizationServer")}}, abi.NotFound, "not_found", "", nil, 0},
		{"refused", `{}`, answering{org: {forbidden}}, abi.Rejected, "forbidden", "", nil, 0},
	} {
		c.run(t, "list_oauth_clients")
	}
}

func TestListOAuthClients_Secret_IsRemoved(t *testing.T) {
	for op, input := range map[string]string{"list_oauth_clients": `{}`, "inventory_export": `{"kinds":["oauth_clients"]}`} {
		host := answering{"GET /oauth2/v1/clients": {answer(200, `[{"client_id":"0oa1","client_secret":"hush"}]`)}}.host(t)
		invokeNative(t, host, op, input)
		if text := strings.Join(host.Records, ""); !strings.Contains(text, "0oa1") || strings.Contains(text, "hush") {
			t.Errorf("%s: %s", op, text)
		}
	}
}
