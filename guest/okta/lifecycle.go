package okta

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

func lifecycle(action string) abi.Endpoint {
	return abi.Endpoint{Endpoint: "POST /api/v1/users/{id}/lifecycle/" + action, Bucket: "/api/v1/users", Scopes: manageUsers}
}

// lifecycleAction is a move of user_lifecycle_action. https://developer.okta.com/docs/api/openapi/okta-management/management/tag/UserLifecycle/
type lifecycleAction struct {
	name      string
	from      []string // statuses that it starts from; nil is any but DEPROVISIONED
	already   []string // statuses in which there is nothing to do
	instead   string   // what to do in another status
	email     bool     // takes sendEmail
	sessions  bool     // takes revokeSessions
	secret    bool     // the answer holds a credential, new each time
	invisible bool     // the status does not tell whether it was done
}

var lifecycleActions = []lifecycleAction{
	{name: "activate", from: []string{"STAGED", "DEPROVISIONED"}, already: []string{"ACTIVE", "PASSWORD_EXPIRED"},
		instead: "reactivate_user starts an activation again that is under way; suspended and locked-out users are unsuspended and unlocked", email: true, secret: true},
	{name: "unsuspend", from: []string{"SUSPENDED"}, already: []string{"ACTIVE", "PASSWORD_EXPIRED", "LOCKED_OUT", "RECOVERY"},
		instead: "only a SUSPENDED user can be unsuspended"},
	{name: "unlock", from: []string{"LOCKED_OUT"}, already: []string{"ACTIVE", "PASSWORD_EXPIRED", "RECOVERY"},
		instead: "only a LOCKED_OUT user can be unlocked"},
	{name: "suspend", from: []string{"ACTIVE"}, already: []string{"SUSPENDED"}, instead: "only an ACTIVE user can be suspended"},
	{name: "deactivate", from: []string{"STAGED", "PROVISIONED", "ACTIVE", "RECOVERY", "LOCKED_OUT", "PASSWORD_EXPIRED", "SUSPENDED"},
		already: []string{"DEPROVISIONED"}, email: true},
	{name: "expire_password", already: []string{"PASSWORD_EXPIRED"}, instead: "activate the user first"},
	{name: "expire_password_with_temp_password", instead: "activate the user first", sessions: true, secret: true, invisible: true},
	{name: "reset_password", instead: "activate the user first", email: true, sessions: true, secret: true, invisible: true},
	{name: "reset_factors", instead: "activate the user first", invisible: true},
}

// lifecycleRequire keeps fields from actions that do not take them: what nothing enforces is an error.
const lifecycleRequire = `"allOf":[{"if":{"required":["send_email"]},"then":{"properties":{"action":{"enum":["activate","deactivate","reset_password"]}}}},` +
	`{"if":{"required":["revoke_sessions"]},"then":{"properties":{"action":{"enum":["expire_password_with_temp_password","reset_password"]}}}}]`

func lifecycleEndpoints() []abi.Endpoint {
	all := []abi.Endpoint{getUser}
	for _, a := range lifecycleActions {
		all = append(all, lifecycle(a.name))
	}
	return all
}

func userLifecycle(c *call) result {
	var action lifecycleAction
	for _, a := range lifecycleActions {
		if a.name == c.str("action") {
			action = a
		}
	}
	before, failed := c.userObject(c.str("user"))
	if failed != nil {
		return *failed
	}
	return c.moveUser(before.Value, action, action.name)
}

// reactivate picks the call that fits the status.
func reactivate(c *call) result {
	before, failed := c.userObject(c.str("user"))
	if failed != nil {
		return *failed
	}
	action := lifecycleAction{name: "reactivate", email: true, secret: true, already: []string{"ACTIVE"},
		from:    []string{"PROVISIONED", "RECOVERY", "DEPROVISIONED", "STAGED"},
		instead: "PROVISIONED, RECOVERY, DEPROVISIONED and STAGED users can be activated again"}
	if s := before.Get("status").Str(); s == "DEPROVISIONED" || s == "STAGED" {
		action.name = "activate"
	} else {
		action.invisible = true // the status stays what it was
	}
	return c.moveUser(before.Value, action, "reactivate")
}

// moveUser does a lifecycle action to a user as it was read, and reads what came of it.
func (c *call) moveUser(before jsonval.Value, action lifecycleAction, said string) result {
	id, status := before.Get("id").Str(), before.Get("status").Str()
	if slices.Contains(action.already, status) {
		return result{outcome: abi.Unchanged, output: transition(before, before)}
	}
	if action.from != nil && !slices.Contains(action.from, status) || action.from == nil && (status == "DEPROVISIONED" || status == "STAGED") {
		return refuse("status", "the user is "+status+" and cannot be taken through "+said+": "+action.instead)
	}
	var query []hostcall.Pair
	if action.email {
		query = append(query, c.flag("send_email", "sendEmail"))
	}
	if action.sessions {
		query = append(query, c.flag("revoke_sessions", "revokeSessions"))
	}
	return c.change(change{
		request: hostcall.Request{Endpoint: lifecycle(action.name).Endpoint, Path: at("id", id), Query: query},
		typ:     "User", noun: "user",
		what:   action.name + " of user " + id,
		undone: "the user is still " + status,
		done: func(resp hostcall.Response) result {
			after, failed := c.userObject(id)
			r := result{outcome: abi.Succeeded}
			if failed != nil {
				after = object{}
				r.warnings = append(r.warnings, "the status afterwards could not be read")
			}
			answer, _ := c.Body(resp)
			r.output = transition(before, after.Value)
			if link := credentials(answer); link != "" {
				r.sensitive = true
				r.output = strings.TrimSuffix(r.output, "}") + "," + link + "}"
			}
			return r
		},
		refused: func(r result) result {
			if r.outcome != abi.NotFound && r.outcome != abi.Rejected {
				return r
			}
			now, failed := c.userObject(id)
			switch is := now.Get("status").Str(); {
			case failed != nil:
			case slices.Contains(action.already, is): // somebody else was faster
				return result{outcome: abi.Unchanged, output: transition(before, now.Value)}
			case r.outcome == abi.NotFound: // Okta says so of users in the wrong state, too
				r.outcome, r.err.Code = abi.Rejected, "status"
				r.err.Message = "the user exists and is " + is + ". " + r.err.Message
			}
			return r
		},
		look: func() (reading, result) {
			now, failed := c.userObject(id)
			is := now.Get("status").Str()
			switch {
			case failed != nil || action.invisible:
				return untold, result{}
			case is == status && now.Get("transitioningToStatus").Str() == "":
				return absent, result{}
			}
			r := result{output: transition(before, now.Value)}
			if action.secret && !c.input.Get("send_email").True() {
				r.warnings = []string{"the link was lost with the answer: run reactivate_user for another"}
			}
			return holds, r
		},
	})
}

// credentials are the members of a lifecycle answer that let somebody in, under names of our own.
func credentials(answer jsonval.Value) string {
	var w jsonval.Writer
	for _, m := range [...][2]string{{"activationUrl", "activation_url"}, {"activationToken", "activation_token"},
		{"resetPasswordUrl", "reset_password_url"}, {"tempPassword", "temporary_password"}} {
		w.StrIf(m[1], answer.Get(m[0]).Str())
	}
	return strings.Trim(w.String(), "{}")
}

func updateUser(c *call) result {
	before, failed := c.userObject(c.str("user"))
	if failed != nil {
		return *failed
	}
	id, profile, secrets := before.Get("id").Str(), c.input.Get("profile"), c.input.Get("credentials")
	replace := c.input.Get("replace").True()
	has := func(u jsonval.Value) bool {
		now := u.Get("profile")
		if replace {
			return withoutNulls(now).Equal(withoutNulls(profile))
		}
		return !profile.Exists() || withoutNulls(patched(now, profile)).Equal(withoutNulls(now))
	}
	if !secrets.Exists() && has(before.Value) {
		return result{outcome: abi.Unchanged, output: before.Raw()}
	}
	var body jsonval.Writer
	body.RawIf("profile", profile.Raw()).RawIf("credentials", secrets.Raw())
	req := hostcall.Request{Endpoint: updateUserPart.Endpoint, Path: at("id", id), Body: body.String()}
	if replace {
		req.Endpoint = replaceUser.Endpoint
	}
	if before.etag != "" {
		req.Headers = []hostcall.Pair{{Name: "If-Match", Value: before.etag}}
	}
	return c.change(change{
		request: req, typ: "User", noun: "user",
		what:   "updating user " + id,
		undone: "the user was not updated",
		refused: func(r result) result {
			switch {
			case r.err.Upstream == nil:
			case upstreamCode(r) == "E0000231":
				r.err.Code, r.err.Retryable = "changed", true
				r.err.Message = "somebody else changed the user meanwhile: run it again. " + r.err.Message
			case r.outcome == abi.NotFound && before.Get("status").Str() == "DEPROVISIONED":
				r.outcome, r.err.Code = abi.Rejected, "status"
				r.err.Message = "the user is DEPROVISIONED, and the org does not let such users be changed. " + r.err.Message
			}
			return r
		},
		look: func() (reading, result) {
			now, failed := c.userObject(id)
			switch {
			case failed != nil || secrets.Exists(): // credentials cannot be read
				return untold, result{}
			case has(now.Value):
				return holds, result{output: now.Raw()}
			}
			return absent, result{}
		},
	})
}

// removeUser does Okta's two steps one at a time, since a DELETE of an active user deactivates and a second one deletes.
func removeUser(c *call) result {
	before, failed := c.userObject(c.str("user"))
	if before.gone {
		var w jsonval.Writer
		return result{outcome: abi.Unchanged, output: w.Str("user", c.str("user")).Str("after", "DELETED").String()}
	}
	if failed != nil {
		return *failed
	}
	id := before.Get("id").Str()
	output := func() string {
		var w jsonval.Writer
		w.Str("id", id).StrIf("login", before.Get("profile", "login").Str())
		return w.Str("before", before.Get("status").Str()).Str("after", "DELETED").String()
	}
	if before.Get("status").Str() != "DEPROVISIONED" {
		r := c.moveUser(before.Value, lifecycleAction{name: "deactivate", already: []string{"DEPROVISIONED"}, from: []string{before.Get("status").Str()}, email: true}, "deactivate")
		if !r.outcome.OK() {
			r.err.Message = "the user was not deleted, since it could not be deactivated first: " + r.err.Message
			return r
		}
		is, _ := c.settle(looking(func() (object, *result) { return c.userObject(id) },
			func(o object) bool { return c.planning || o.gone || o.Get("status").Str() == "DEPROVISIONED" }, func(object) string { return "" }))
		if is != holds {
			r := fail(abi.Unavailable, "deactivating", "Okta is still deactivating the user, and nothing was deleted: run it again in a minute")
			r.err.Retryable = true
			return r
		}
	}
	return c.change(change{
		request: hostcall.Request{Endpoint: deleteUser.Endpoint, Path: at("id", id), Query: []hostcall.Pair{c.flag("send_email", "sendEmail")}},
		typ:     "User", noun: "user",
		what:   "deleting user " + id,
		undone: "the user was deactivated and not deleted",
		done: func(hostcall.Response) result {
			now, failed := c.userObject(id)
			r := result{outcome: abi.Succeeded, output: output()}
			if !now.gone {
				why := now.Get("status").Str()
				if failed != nil {
					why = failed.err.Message
				}
				r.warnings = []string{"Okta took the request, and the user still shows: " + why}
			}
			return r
		},
		refused: func(r result) result {
			if r.outcome == abi.NotFound {
				return result{outcome: abi.Succeeded, output: output()}
			}
			return r
		},
		look: looking(func() (object, *result) { return c.userObject(id) }, func(o object) bool { return o.gone },
			func(object) string { return output() }),
	})
}
