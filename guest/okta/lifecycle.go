package okta

import (
	"cmp"
	"github.com/mach5/okta-connector/guest/connector"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

func lifecycle(action string) *abi.Endpoint {
	e := &abi.Endpoint{Endpoint: "POST /api/v1/users/{id}/lifecycle/" + action, Bucket: "/api/v1/users", Scopes: manageUsers}
	switch action {
	case "activate", "reactivate":
		e.Query, e.Sensitive = []string{"sendEmail"}, []string{"activationUrl", "activationToken"}
	case "deactivate":
		e.Query = []string{"sendEmail"}
	case "expire_password_with_temp_password":
		e.Query, e.Sensitive = []string{"revokeSessions"}, []string{"tempPassword"}
	case "reset_password":
		e.Query, e.Sensitive = []string{"sendEmail", "revokeSessions"}, []string{"resetPasswordUrl"}
	}
	e.Reveals = e.Sensitive // the output has them
	return e
}

// lifecycleAction is a request that changes a user's status or renews credentials.
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/UserLifecycle/
type lifecycleAction struct {
	name     string
	class    abi.Class
	from     []string // statuses that it starts from
	to       []string // statuses that it leads to; nil if the status does not show the effect
	already  bool     // a user who has one of them is unchanged
	email    bool     // has the parameter sendEmail
	sessions bool     // has the parameter revokeSessions
	secret   string   // the credential in the response, new each time; "" if none
	renew    string   // the action that makes a new one if that was lost
	ends     bool     // also ends the user's API tokens: Okta accepts only those of active users
}

// signedUp are the statuses of users who can have a password or a factor.
var signedUp = []string{"PROVISIONED", "ACTIVE", "RECOVERY", "LOCKED_OUT", "PASSWORD_EXPIRED", "SUSPENDED"}

// lifecycleActions lists all actions. Okta does not document the resulting status of unsuspend and unlock;
// PASSWORD_EXPIRED was seen.
var lifecycleActions = []lifecycleAction{
	{name: "activate", class: abi.Write, from: []string{"STAGED", "DEPROVISIONED"}, to: []string{"ACTIVE", "PROVISIONED", "PASSWORD_EXPIRED"}, already: true,
		email: true, secret: "activation link", renew: "reactivate_user"},
	{name: "unsuspend", class: abi.Write, from: []string{"SUSPENDED"}, to: []string{"ACTIVE", "PASSWORD_EXPIRED", "LOCKED_OUT", "RECOVERY", "PROVISIONED"}, already: true},
	{name: "unlock", class: abi.Write, from: []string{"LOCKED_OUT"}, to: []string{"ACTIVE", "PASSWORD_EXPIRED", "RECOVERY", "PROVISIONED"}, already: true},
	{name: "suspend", class: abi.Destructive, from: []string{"ACTIVE"}, to: []string{"SUSPENDED"}, already: true, ends: true},
	deactivation,
	{name: "expire_password", class: abi.Destructive, from: signedUp, to: []string{"PASSWORD_EXPIRED"}, already: true},
	{name: "expire_password_with_temp_password", class: abi.Destructive, from: signedUp, to: []string{"PASSWORD_EXPIRED"}, sessions: true,
		secret: "temporary password", renew: "the same action"},
	{name: "reset_password", class: abi.Destructive, from: signedUp, to: []string{"RECOVERY"}, email: true, sessions: true, secret: "reset link", renew: "the same action"},
	{name: "reset_factors", class: abi.Destructive, from: signedUp},
}

var deactivation = lifecycleAction{name: "deactivate", class: abi.Destructive, from: append([]string{"STAGED"}, signedUp...), to: []string{"DEPROVISIONED"}, already: true,
	email: true, ends: true}

// lifecycleRequire rejects inputs that the action does not use.
const lifecycleRequire = `"description":"send_email is only for activate, deactivate and reset_password; revoke_sessions only for expire_password_with_temp_password and reset_password","allOf":[{"if":{"required":["send_email"]},"then":{"properties":{"action":{"enum":["activate","deactivate","reset_password"]}}}},` +
	`{"if":{"required":["revoke_sessions"]},"then":{"properties":{"action":{"enum":["expire_password_with_temp_password","reset_password"]}}}}]`

// lifecycleRules lower the class of actions that undo another action.
func lifecycleRules() []abi.ClassRule {
	var rules []abi.ClassRule
	for _, a := range lifecycleActions {
		if a.class == abi.Write {
			rules = append(rules, abi.ClassRule{Field: "action", Equals: a.name, Class: a.class})
		}
	}
	return rules
}

func lifecycleEndpoints() []*abi.Endpoint {
	all := []*abi.Endpoint{&getUser, &getUsers, &getMe}
	for _, a := range lifecycleActions {
		all = append(all, connector.WithClass(a.class, lifecycle(a.name)))
	}
	return all
}

func userLifecycle(c *connector.Call) connector.Result {
	before, failed := targetUser(c)
	if failed != nil {
		return *failed
	}
	i := slices.IndexFunc(lifecycleActions, func(a lifecycleAction) bool { return a.name == c.Str("action") })
	action := lifecycleActions[i] // the schema allows no others
	if action.name == "unlock" && finalStatus(before.Value) == "ACTIVE" {
		blocked, failed := isBlocked(c, before.Get("id").Str())
		if failed != nil {
			return *failed
		}
		if blocked {
			action.from, action.to, action.already = []string{"ACTIVE"}, nil, false
		}
	}
	return moveUser(c, before.Value, action)
}

// isBlocked reports whether Okta blocks a user's sign-in from unknown devices. The status is then still ACTIVE, and
// unlock ends the block. An org without this feature rejects the request.
func isBlocked(c *connector.Call, id string) (bool, *connector.Result) {
	u, failed := c.ReadObject(hostcall.Request{Endpoint: getUser.Endpoint, Path: connector.Pairs("id", id), Query: connector.Pairs("expand", "blocks")}, "User", "user")
	if failed != nil && failed.Outcome != abi.Rejected { // unknown now, which does not mean unblocked
		return false, failed
	}
	for range u.At("_embedded", "blocks").Elements() {
		return true, nil
	}
	return false, nil
}

// finalStatus returns the status that a user has, or will have after a change that is under way. Okta completes it by
// itself.
func finalStatus(u jsonval.Value) string {
	return cmp.Or(u.Get("transitioningToStatus").Str(), u.Get("status").Str())
}

// isStable reports whether no change of a user's status is under way.
func isStable(u jsonval.Value) bool { return finalStatus(u) == u.Get("status").Str() }

// tokenOwner returns the id of the token's owner. It is empty if the token has none (a 404), such as a service app's.
// After any other failure nothing must be sent, since the owner may be the target. question is what the owner decides,
// for the message.
func tokenOwner(c *connector.Call, question string) (string, *connector.Result) {
	me, failed := c.ReadObject(hostcall.Request{Endpoint: getMe.Endpoint}, "User", "user")
	switch {
	case me.Gone:
		return "", nil
	case failed != nil:
		return "", unchecked(*failed, question)
	}
	return me.Get("id").Str(), nil
}

// ownerIsIn reports whether the token's owner is a member of a group, and the token so has the group's roles.
func ownerIsIn(c *connector.Call, group, owner string) (bool, *connector.Result) {
	question := "whether the token's owner, user " + owner + ", is in group " + group
	is, known, failed := isMember(c, group, owner)
	switch {
	case failed != nil:
		return false, unchecked(*failed, question)
	case !known:
		r := connector.Refuse("own_account", "nothing was sent because it could not be checked "+question+": the owner is in too many groups. Use another administrator's token")
		return false, &r
	}
	return is, nil
}

// unchecked returns the result of a write that is not sent because a check failed with r. question is what was checked.
func unchecked(r connector.Result, question string) *connector.Result {
	e := *r.Err
	e.Message = "nothing was sent because it could not be checked " + question + ": " + e.Message
	if r.Outcome == abi.NotFound { // not_found is for the operation's own target
		r.Outcome, e.Code = abi.Rejected, string(abi.Rejected)
	}
	r.Err = &e
	return &r
}

// reactivate chooses the request that fits the status. Okta's own reactivate restarts an unfinished activation. It does
// not undo deactivate.
func reactivate(c *connector.Call) connector.Result {
	before, failed := targetUser(c)
	if failed != nil {
		return *failed
	}
	action := lifecycleAction{name: "activate", from: []string{"PROVISIONED", "RECOVERY", "DEPROVISIONED", "STAGED"}, to: []string{"ACTIVE"},
		already: true, email: true, secret: "activation link", renew: "reactivate_user"}
	status := before.Get("status").Str()
	activates := status == "DEPROVISIONED" || status == "STAGED"
	if c.Settling && c.Bound.Endpoint != "" { // the earlier run may have changed the status
		activates = c.Bound.Endpoint == lifecycle("activate").Endpoint
	}
	switch {
	case activates:
		action.to = append(action.to, "PROVISIONED", "PASSWORD_EXPIRED")
	case status != "ACTIVE":
		action.name, action.to = "reactivate", nil // the status does not change
	}
	return moveUser(c, before.Value, action)
}

func deactivate(c *connector.Call) connector.Result {
	before, failed := targetUser(c)
	if failed != nil {
		return *failed
	}
	return moveUser(c, before.Value, deactivation)
}

// moveUser runs a lifecycle action on a user that was just read, and reads the result.
func moveUser(c *connector.Call, before jsonval.Value, action lifecycleAction) connector.Result {
	id, status := before.Get("id").Str(), before.Get("status").Str()
	reached := func(u jsonval.Value) bool { return slices.Contains(action.to, finalStatus(u)) }
	if action.already && reached(before) {
		r := connector.Result{Outcome: abi.Unchanged, Output: transition(before, before)}
		if status == "PROVISIONED" && action.name == "activate" {
			r.Warnings = []string{"the user has not completed the activation yet: run reactivate_user for a new link"}
		}
		return r
	}
	if !isStable(before) {
		r := connector.Refuse("transition", "the user is changing from "+status+" to "+finalStatus(before)+": repeat "+action.name+" when that is done")
		r.Err.Retryable = true
		return r
	}
	if !slices.Contains(action.from, status) {
		return connector.Refuse("status", "the user is "+status+": "+action.name+" needs status "+strings.Join(action.from, " or ")+action.remedy(status))
	}
	if action.ends && status != "STAGED" && status != "PROVISIONED" && !c.Settling {
		owner, failed := tokenOwner(c, "whether user "+id+" is the token's owner")
		if failed != nil {
			return *failed.Withholding(lifecycle(action.name).Endpoint, connector.Pairs("id", id))
		}
		if owner == id {
			r := connector.Refuse("own_account", action.name+" of user "+id+" would end this connection: the token belongs to that user, and Okta accepts only tokens of active users. "+
				"Use another administrator's token")
			return *r.Withholding(lifecycle(action.name).Endpoint, connector.Pairs("id", id))
		}
	}
	var query []hostcall.Pair
	if action.email {
		query = append(query, c.Flag("send_email", "sendEmail"))
	}
	if action.sessions {
		query = append(query, c.Flag("revoke_sessions", "revokeSessions"))
	}
	what := action.name + " of user " + id
	look := func() (connector.Reading, connector.Result) {
		now, _, failed := readUser(c, id)
		switch {
		case failed != nil:
			return connector.Unclear, connector.Result{}
		case action.to == nil || reached(before): // a status that the user had before proves nothing
			return connector.Unobservable, connector.Result{}
		case reached(now):
			r := connector.Result{Output: transition(before, now)}
			if action.secret != "" && !c.Input.Get("send_email").True() {
				r.Warnings = []string{"the " + action.secret + " was lost with Okta's response: run " + action.renew + " for a new one"}
			}
			return connector.Holds, r
		case now.Get("status").Str() == status && isStable(now):
			return connector.Absent, connector.Result{}
		}
		return connector.Unclear, connector.Result{}
	}
	return c.Change(connector.Change{
		Request: hostcall.Request{Endpoint: lifecycle(action.name).Endpoint, Path: connector.Pairs("id", id), Query: query},
		Type:    "User", Noun: "user",
		What:   what,
		Undone: "the user is still " + status,
		Trace:  cmp.Or(before.Get("statusChanged").Str(), before.Get("created").Str()),
		Done: func(resp hostcall.Response) connector.Result {
			r := connector.Result{Outcome: abi.Succeeded}
			after, _, failed := readUser(c, id)
			if failed == nil && action.to != nil && !reached(after) {
				r = c.AwaitEffect(func() (connector.Reading, connector.Result) {
					if after, _, failed = readUser(c, id); failed == nil && reached(after) {
						return connector.Holds, connector.Result{}
					}
					return connector.Absent, connector.Result{}
				}, what)
			}
			if failed != nil {
				after = jsonval.Value{}
				r.Warnings = []string{"Okta accepted the change, but the user could not be read afterwards: " + failed.Err.Message}
			}
			answer, _ := c.Body(resp)
			let := credentials(answer)
			r.Output, r.Sensitive = transition(before, after, let), let != ""
			return r
		},
		Refused: func(r connector.Result) connector.Result {
			if r.Outcome != abi.NotFound && r.Outcome != abi.Rejected {
				return r
			}
			now, _, failed := readUser(c, id)
			switch {
			case failed != nil:
			case action.already && reached(now): // another client has changed it
				return connector.Result{Outcome: abi.Unchanged, Output: transition(before, now)}
			case r.Outcome == abi.NotFound: // Okta also answers 404 if the status does not fit
				r.Outcome, r.Err.Code = abi.Rejected, "status"
				r.Err.Message = "the user exists but is " + now.Get("status").Str() + ". " + r.Err.Message
			}
			return r
		},
		Look: look,
	})
}

// remedy returns what to do about a user whose status does not allow the action. suspend keeps a user out, so its
// remedy never makes the user able to sign in.
func (a lifecycleAction) remedy(status string) string {
	if a.name != "suspend" {
		return remedy(status)
	}
	switch status {
	case "DEPROVISIONED":
		return ". The user cannot sign in"
	case "STAGED":
		return ". The user is not activated yet and cannot sign in. To keep it so, run deactivate_user"
	}
	return ". To keep the user out, run deactivate_user, which this status allows; to end open sessions, run revoke_session"
}

// remedy returns what a user of a status needs first.
func remedy(status string) string {
	switch status {
	case "STAGED", "DEPROVISIONED":
		return ". Activate the user first (reactivate_user)"
	case "PROVISIONED", "RECOVERY":
		return ". The user must follow the link first (reactivate_user makes a new one)"
	case "LOCKED_OUT":
		return ". Unlock the user first"
	case "SUSPENDED":
		return ". Unsuspend the user first"
	case "PASSWORD_EXPIRED":
		return ". The user must set a new password first"
	}
	return ""
}

// credentials returns the credentials in a lifecycle response as members of an object, under this connector's names. It
// is empty if there are none.
func credentials(answer jsonval.Value) string {
	var w jsonval.Writer
	for _, m := range [...][2]string{{"activationUrl", "activation_url"}, {"activationToken", "activation_token"},
		{"resetPasswordUrl", "reset_password_url"}, {"tempPassword", "temporary_password"}} {
		w.StrIf(m[1], answer.Get(m[0]).Str())
	}
	return strings.Trim(w.String(), "{}")
}

// transition returns the output of a change of a user's status, before and after as read, with more members.
func transition(before, after jsonval.Value, more ...string) string {
	var w jsonval.Writer
	w.Str("id", before.Get("id").Str()).StrIf("login", before.At("profile", "login").Str())
	w.Str("before", before.Get("status").Str())
	if after.Exists() {
		w.Str("after", after.Get("status").Str())
		w.StrIf("transitioning_to", after.Get("transitioningToStatus").Str())
	}
	text := w.String()
	for _, m := range more {
		if m != "" {
			text = text[:len(text)-1] + "," + m + "}"
		}
	}
	return text
}

// removeUser runs Okta's two steps one at a time. A DELETE deactivates an active user and deletes a deactivated one, so
// the status is read before each.
func removeUser(c *connector.Call) connector.Result {
	before, failed := targetUser(c)
	if user := c.Str("user"); before.Gone && (c.Settling || isID(user, "00u")) {
		output := `{"user":` + jsonval.Quote(user) + `,"before":null,"after":"DELETED"}`
		if c.Settling { // the earlier run wrote, so it found the user
			return c.Reconcile(connector.Result{Output: output})
		}
		return connector.Result{Outcome: abi.Unchanged, Output: output}
	}
	if before.Gone {
		failed.Err.Message += ". The login may be misspelt; with the user's id, a deleted user is unchanged"
	}
	if failed != nil {
		return *failed
	}
	id, status := before.Get("id").Str(), before.Get("status").Str()
	ends := func(after string) string {
		var w jsonval.Writer
		return w.Str("id", id).StrIf("login", before.At("profile", "login").Str()).Str("before", status).Str("after", after).String()
	}
	read := func() (connector.Object, *connector.Result) { return userObject(c, id) }
	off := func(u connector.Object) bool { return u.Get("status").Str() == "DEPROVISIONED" && isStable(u.Value) } // only then a DELETE deletes
	gone := connector.Look(read, func(u connector.Object) bool { return u.Gone }, func(connector.Object) string { return ends("DELETED") })

	query := []hostcall.Pair{c.Flag("send_email", "sendEmail")}
	undone := "the user was not deleted"
	if !off(before) {
		if r := moveUser(c, before.Value, deactivation); !r.Outcome.OK() {
			r.Err.Message = undone + " because it could not be deactivated first: " + r.Err.Message
			return r
		}
		is, _ := c.Settle(connector.Look(read, func(u connector.Object) bool { return c.Planning || u.Gone || off(u) },
			func(connector.Object) string { return "" }), connector.LaggingTime)
		if is != connector.Holds {
			r := connector.Fail(abi.Unavailable, "deactivating", "Okta is still deactivating the user, so nothing was deleted: run delete_user again in a minute")
			r.Err.Retryable, r.Output = true, ends(status)
			return r
		}
		query = []hostcall.Pair{{Name: "sendEmail", Value: "false"}} // one mail is enough
		undone = "the user was deactivated, but not deleted"
	}
	r := c.Change(connector.Change{
		Request: hostcall.Request{Endpoint: deleteUser.Endpoint, Path: connector.Pairs("id", id), Query: query},
		Type:    "User", Noun: "user",
		What:   "deleting user " + id,
		Undone: undone,
		Final:  true,
		Done: func(hostcall.Response) connector.Result {
			if is, r := c.Settle(gone, connector.LaggingTime); is == connector.Holds {
				r.Outcome = abi.Succeeded
				return r
			}
			r := connector.Fail(abi.Unknown, string(abi.Unknown), "Okta accepted the deletion, but the user can still be read: run delete_user again in a minute")
			r.Err.Retryable = true
			return r
		},
		Refused: func(r connector.Result) connector.Result {
			if is, now := gone(); is == connector.Holds { // another client has deleted it
				now.Outcome = abi.Unchanged
				return now
			}
			if r.Outcome == abi.NotFound {
				r.Outcome, r.Err.Code = abi.Rejected, string(abi.Rejected)
			}
			r.Err.Message = undone + ". " + r.Err.Message
			return r
		},
		Look: gone,
	})
	if r.Outcome == abi.Unchanged && !off(before) {
		r.Outcome = abi.Succeeded // the deactivation was this call's change
	}
	if !r.Outcome.OK() && r.Outcome != abi.Unknown && !off(before) {
		r.Output = ends("DEPROVISIONED")
	}
	return r
}
