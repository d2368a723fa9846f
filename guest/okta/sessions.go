package okta

import (
	"github.com/mach5/okta-connector/guest/connector"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	getSession         = abi.Endpoint{Endpoint: "GET /api/v1/sessions/{sessionId}", Bucket: "/api/v1/sessions", Scopes: []string{"okta.sessions.read"}}
	deleteSession      = abi.Endpoint{Endpoint: "DELETE /api/v1/sessions/{sessionId}", Bucket: "/api/v1/sessions", Scopes: []string{"okta.sessions.manage"}}
	deleteUserSessions = abi.Endpoint{Endpoint: "DELETE /api/v1/users/{userId}/sessions", Bucket: "/api/v1/users", Scopes: manageUsers, Query: []string{"oauthTokens", "forgetDevices"}}
)

// sessionSchema is the schema of a session's id, which may be usable like a cookie.
var sessionSchema = strings.TrimSuffix(connector.IDSchema("255", "the session's id"), "}") + `,"x-sensitive":true}`

var sessionOperations = []connector.Operation{
	{
		Name:        "lookup_session",
		Summary:     "Reads one session. Okta does not list sessions; System Log events have their ids.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{{"session", true, sessionSchema}},
		Example:     `{"session":"102qETvtirgP4fmYzUjrvcwkO"}`,
		Key:         "id",
		Columns: []connector.Column{
			{"id", abi.Varchar, "id", "the session's id"},
			{"user_id", abi.Varchar, "userId", ""},
			{"login", abi.Varchar, "login", ""},
			{"status", abi.Varchar, "status", "ACTIVE, MFA_ENROLL or MFA_REQUIRED"},
			{"created_at", abi.TimestampTZ, "createdAt", ""},
			{"expires_at", abi.TimestampTZ, "expiresAt", ""},
			{"last_password_verification", abi.TimestampTZ, "lastPasswordVerification", ""},
			{"last_factor_verification", abi.TimestampTZ, "lastFactorVerification", ""},
			{"mfa_active", abi.Boolean, "mfaActive", "whether the session has a second factor"},
			{"idp_id", abi.Varchar, "idp.id", "the identity provider"},
			{"idp_type", abi.Varchar, "idp.type", ""},
			{"amr", abi.JSON, "amr", "authentication methods (RFC 8176)"},
			{"links", abi.JSON, "_links", ""},
		},
		Display:   "login status created_at expires_at last_factor_verification idp_type id",
		Endpoints: []*abi.Endpoint{&getSession},
		Get:       &connector.Get{Endpoint: getSession.Endpoint, Path: []connector.Blank{{"sessionId", "session"}}, Noun: "session", Type: "AppSession"},
	},
	{
		Name:        "revoke_session",
		Summary:     "Ends one session, or all sessions of a user. A session that has ended is unchanged. A user's sessions cannot be read first.",
		Class:       abi.Destructive,
		Surfaces:    axon,
		Idempotency: abi.Idempotent,
		Inputs: []connector.Input{
			{"session", false, sessionSchema},
			{"user", false, loginSchema("id or full login of the user whose sessions all end; not its part before the @, and not me")},
			connector.BoolInput("oauth_tokens", "also revokes the user's OpenID Connect and OAuth tokens"),
			{"forget_devices", false, `{"type":"boolean","description":"forgets the user's remembered devices; default: Okta's, which is true on Identity Engine"}`},
		},
		Require: `"description":"give exactly one of session and user; oauth_tokens and forget_devices need user","oneOf":[{"required":["session"]},{"required":["user"]}],"if":{"required":["session"]},` +
			`"then":{"not":{"anyOf":[{"required":["oauth_tokens"]},{"required":["forget_devices"]}]}}`,
		Example:   `{"user":"ada.lovelace@example.com","oauth_tokens":true}`,
		Rejects:   "short_name",
		Endpoints: []*abi.Endpoint{&getUser, &getUsers, &getSession, &deleteSession, &deleteUserSessions},
		Do:        revokeSession,
	},
}

func revokeSession(c *connector.Call) connector.Result {
	if id := c.Str("session"); id != "" {
		return endSession(c, id)
	}
	user, failed := userID(c)
	if failed != nil {
		return *failed
	}
	var w jsonval.Writer
	output := w.Str("user", user).Bool("sessions_ended", true).Bool("oauth_tokens_revoked", c.Input.Get("oauth_tokens").True()).String()
	r := c.Change(connector.Change{
		Request: hostcall.Request{Endpoint: deleteUserSessions.Endpoint, Path: connector.Pairs("userId", user),
			Query: c.Params([]connector.Param{{"oauth_tokens", "oauthTokens"}, {"forget_devices", "forgetDevices"}})},
		Type: "User", Noun: "user",
		What: "ending the sessions of user " + user,
		Done: func(hostcall.Response) connector.Result {
			return connector.Result{Outcome: abi.Succeeded, Output: output}
		},
		Look: func() (connector.Reading, connector.Result) { return connector.Unobservable, connector.Result{} }, // Okta does not list sessions
	})
	if r.Outcome == abi.Unknown { // ending sessions twice is harmless
		r.Err.Retryable = true
		r.Err.Message += ", or repeat it, which is safe"
	}
	return r
}

func endSession(c *connector.Call, id string) connector.Result {
	var w jsonval.Writer
	output := w.Str("session", id).Bool("ended", true).String()
	session := func() (connector.Object, *connector.Result) {
		return c.ReadObject(hostcall.Request{Endpoint: getSession.Endpoint, Path: connector.Pairs("sessionId", id)}, "AppSession", "session")
	}
	before, failed := session()
	switch {
	case before.Gone:
		return connector.Result{Outcome: abi.Unchanged, Output: output}
	case failed != nil && failed.Outcome != abi.Rejected: // a token may end sessions without permission to read them
		return *failed
	}
	look := connector.Look(session, func(s connector.Object) bool { return s.Gone }, func(connector.Object) string { return output })
	return c.Change(connector.Change{
		Request: hostcall.Request{Endpoint: deleteSession.Endpoint, Path: connector.Pairs("sessionId", id)},
		Type:    "AppSession", Noun: "session",
		What:   "ending the session",
		Undone: "the session was not ended",
		Final:  true,
		Done: func(hostcall.Response) connector.Result {
			if failed != nil {
				return connector.Result{Outcome: abi.Succeeded, Output: output, Warnings: []string{"Okta accepted the request, but the token may not read sessions to confirm it"}}
			}
			return c.ConfirmEffect(look, output, "ending the session")
		},
		Refused: func(r connector.Result) connector.Result {
			if r.Outcome == abi.NotFound && connector.UpstreamCode(r) == "E0000007" { // another client has ended it
				return connector.Result{Outcome: abi.Unchanged, Output: output}
			}
			return r
		},
		Look: look,
	})
}
