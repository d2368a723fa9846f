package okta

import (
	"testing"

	"github.com/mach5/okta-connector/abi"
)

func TestRevokeSession_EachResponse_HasItsOutcome(t *testing.T) {
	const read, del, id = "GET /api/v1/sessions/{sessionId}", "DELETE /api/v1/sessions/{sessionId}", "102x"
	const of = " [sessionId:" + id + "]"
	is, over, ended := answer(200, `{"id":"102x","login":"ada@example.com"}`), notFound("AppSession"), answer(204, "")
	for _, c := range []invoking{
		{"one", `{"session":"102x"}`, answering{read: {is, over}, del: {ended}}, abi.Succeeded, "", read + of + "\n" + del + of + "\n" + read + of, []string{`"ended":true`}, 0},
		{"an ended session", `{"session":"102x"}`, answering{read: {over}}, abi.Unchanged, "", read + of, nil, 0},
		{"a session that does not end", `{"session":"102x"}`, answering{read: {is}, del: {ended}}, abi.Unknown, "unknown", "", []string{"does not show"}, 0},
		{"a session that ends late", `{"session":"102x"}`, answering{read: {is, is, over}, del: {ended}}, abi.Succeeded, "", "", nil, 0},
		{"a session that the token may not read", `{"session":"102x"}`, answering{read: {forbidden}, del: {ended}}, abi.Succeeded, "", read + of + "\n" + read + of + "\n" + read + of + "\n" + del + of, []string{"may not read"}, 0},
		{"a session that cannot be read now", `{"session":"102x"}`, answering{read: {is, answer(500, "")}, del: {ended}}, abi.Succeeded, "", "", []string{"could not be read"}, 0},
		{"response lost, ended", `{"session":"102x"}`, answering{read: {is, over}, del: {lost}}, abi.Succeeded, "", "", nil, 0},
		{"another client was first", `{"session":"102x"}`, answering{read: {is}, del: {over}}, abi.Unchanged, "", "", nil, 0},
		{"all sessions of a user", `{"user":"` + ada + `","oauth_tokens":true}`, answering{"DELETE /api/v1/users/{userId}/sessions": {ended}}, abi.Succeeded, "",
			"DELETE /api/v1/users/{userId}/sessions [userId:" + ada + "] oauthTokens=true", []string{`"oauth_tokens_revoked":true`}, 0},
	} {
		c.run(t, "revoke_session")
	}
}
