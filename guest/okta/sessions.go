package okta

import (
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	getSession         = abi.Endpoint{Endpoint: "GET /api/v1/sessions/{sessionId}", Bucket: "/api/v1/sessions", Scopes: []string{"okta.sessions.read"}, Sensitive: []string{"id", "_links"}}
	deleteSession      = abi.Endpoint{Endpoint: "DELETE /api/v1/sessions/{sessionId}", Bucket: "/api/v1/sessions", Scopes: []string{"okta.sessions.manage"}}
	deleteUserSessions = abi.Endpoint{Endpoint: "DELETE /api/v1/users/{userId}/sessions", Bucket: "/api/v1/users", Scopes: manageUsers}
)

// sessionSchema is of a session's id, which may be worth a cookie.
var sessionSchema = strings.TrimSuffix(idSchema("255", "the session's id"), "}") + `,"x-sensitive":true}`

var sessionOperations = []operation{
	{
		name:        "lookup_session",
		summary:     "Reads one session. Sessions cannot be listed; events of the System Log name them.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs:      []input{{"session", true, sessionSchema}},
		example:     `{"session":"102qETvtirgP4fmYzUjrvcwkO"}`,
		key:         "id",
		columns: []column{
			{"id", abi.Varchar, "id", "the session's id"},
			{"user_id", abi.Varchar, "userId", ""},
			{"login", abi.Varchar, "login", ""},
			{"status", abi.Varchar, "status", "ACTIVE, MFA_ENROLL or MFA_REQUIRED"},
			{"created_at", abi.TimestampTZ, "createdAt", ""},
			{"expires_at", abi.TimestampTZ, "expiresAt", ""},
			{"last_password_verification", abi.TimestampTZ, "lastPasswordVerification", ""},
			{"last_factor_verification", abi.TimestampTZ, "lastFactorVerification", ""},
			{"idp_id", abi.Varchar, "idp.id", "the identity provider"},
			{"idp_type", abi.Varchar, "idp.type", ""},
			{"amr", abi.JSON, "amr", "how the user signed in"},
			{"links", abi.JSON, "_links", ""},
		},
		endpoints: []abi.Endpoint{getSession},
		get:       &get{endpoint: getSession.Endpoint, path: []blank{{"sessionId", "session"}}, noun: "session", typ: "AppSession"},
	},
	{
		name:        "revoke_session",
		summary:     "Ends one session, or all of a user. A session that is over already stays unchanged; whether a user had any cannot be read.",
		class:       abi.Destructive,
		surfaces:    axon,
		idempotency: abi.Idempotent,
		inputs: []input{
			{"session", false, sessionSchema},
			{"user", false, loginSchema("id or whole login of the user whose sessions all end: not the part before the @, and not me")},
			boolInput("oauth_tokens", "revokes the user's OpenID Connect and OAuth tokens, too"),
			{"forget_devices", false, `{"type":"boolean","description":"forgets the devices that the user is remembered on; default Okta's, which is true on Identity Engine"}`},
		},
		require: `"description":"exactly one of session and user; oauth_tokens and forget_devices go with user","oneOf":[{"required":["session"]},{"required":["user"]}],"if":{"required":["session"]},` +
			`"then":{"not":{"anyOf":[{"required":["oauth_tokens"]},{"required":["forget_devices"]}]}}`,
		example:   `{"user":"ada.lovelace@example.com","oauth_tokens":true}`,
		endpoints: []abi.Endpoint{getUser, getUsers, getSession, deleteSession, deleteUserSessions},
		do:        revokeSession,
	},
}

func revokeSession(c *call) result {
	if id := c.str("session"); id != "" {
		return endSession(c, id)
	}
	user, failed := c.userID()
	if failed != nil {
		return *failed
	}
	var w jsonval.Writer
	output := w.Str("user", user).Bool("sessions_ended", true).Bool("oauth_tokens_revoked", c.input.Get("oauth_tokens").True()).String()
	r := c.change(change{
		request: hostcall.Request{Endpoint: deleteUserSessions.Endpoint, Path: at("userId", user),
			Query: c.params([]param{{"oauth_tokens", "oauthTokens"}, {"forget_devices", "forgetDevices"}})},
		typ: "User", noun: "user",
		what: "ending the sessions of user " + user,
		done: func(hostcall.Response) result { return result{outcome: abi.Succeeded, output: output} },
		look: func() (reading, result) { return blind, result{} }, // sessions cannot be listed
	})
	if r.outcome == abi.Unknown { // ending what is over harms nobody
		r.err.Retryable = true
		r.err.Message += ", or repeat it: it does no more than once"
	}
	return r
}

func endSession(c *call, id string) result {
	var w jsonval.Writer
	output := w.Str("session", id).Bool("ended", true).String()
	session := func() (object, *result) {
		return c.object(hostcall.Request{Endpoint: getSession.Endpoint, Path: at("sessionId", id)}, "AppSession", "session")
	}
	before, failed := session()
	switch {
	case before.gone:
		return result{outcome: abi.Unchanged, output: output}
	case failed != nil && failed.outcome != abi.Rejected: // a token may end sessions that it may not read
		return *failed
	}
	look := looking(session, func(s object) bool { return s.gone }, func(object) string { return output })
	return c.change(change{
		request: hostcall.Request{Endpoint: deleteSession.Endpoint, Path: at("sessionId", id)},
		typ:     "AppSession", noun: "session",
		what:   "ending the session",
		undone: "the session goes on",
		final:  true,
		done: func(hostcall.Response) result {
			if failed != nil {
				return result{outcome: abi.Succeeded, output: output, warnings: []string{"Okta took it, and the token may not read sessions to see that it is over"}}
			}
			return c.seen(look, output, "ending the session")
		},
		refused: func(r result) result {
			if r.outcome == abi.NotFound && upstreamCode(r) == "E0000007" { // somebody else was faster
				return result{outcome: abi.Unchanged, output: output}
			}
			return r
		},
		look: look,
	})
}
