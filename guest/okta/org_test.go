package okta

import (
	"testing"

	"github.com/mach5/okta-connector/abi"
)

func TestOrgIdentity_EachResponse_HasItsOutcome(t *testing.T) {
	const org, known = "GET /api/v1/org", "GET /.well-known/okta-organization"
	private := answer(200, `{"id":"00o1","subdomain":"acme","companyName":"Acme","status":"ACTIVE","_links":{"a":{}}}`)
	public := answer(200, `{"id":"00o1","pipeline":"idx","cell":"ok12","_links":{"b":{}}}`)
	for _, c := range []invoking{
		{"both descriptions are merged", `{}`, answering{org: {private}, known: {public}}, abi.Succeeded, "", org + "\n" + known,
			[]string{`{"id":"00o1","subdomain":"acme","companyName":"Acme","status":"ACTIVE","_links":{"a":{}},"pipeline":"idx","cell":"ok12"}`}, 0},
		{"no permission", `{}`, answering{org: {forbidden}}, abi.Rejected, "forbidden", org + "\n" + org + "\n" + org, nil, 0},
		{"a bad token", `{}`, answering{org: {badToken}}, abi.Rejected, "credentials", org, nil, 0},
		{"no org", `{}`, answering{org: {private}, known: {answer(200, "<html>")}}, abi.Unavailable, "bad_answer", "", nil, 0},
		{"no answer", `{}`, answering{org: {unsent}}, abi.Unavailable, "connect", "", nil, 0},
	} {
		c.run(t, "org_identity")
	}
}
