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
	case "activate", "reactivate", "deactivate":
		e.Query = []string{"sendEmail"}
	case "expire_password_with_temp_password":
		e.Query = []string{"revokeSessions"}
	case "reset_password":
		e.Query = []string{"sendEmail", "revokeSessions"}
	}
	return e
}

// lifecycleAction is a call that moves a user from status to status, or renews what the user signs in with.
// https://developer.okta.com/docs/api/openapi/okta-management/management/tag/UserLifecycle/
type lifecycleAction struct {
	name     string
	class    abi.Class
	from     []string // statuses that it is for
	to       []string // statuses that it leads to; nil is none that tells
	already  bool     // a user in one of them has nothing to gain from it
	email    bool     // takes sendEmail
	sessions bool     // takes revokeSessions
	secret   string   // what the answer may let somebody in with, new each time; "" is nothing
	renew    string   // gives another one where that was lost
	ends     bool     // the user's API tokens, too: Okta takes those of active users alone
}

// signedUp are the statuses of users who have an account that a password or a factor can belong to.
var signedUp = []string{"PROVISIONED", "ACTIVE", "RECOVERY", "LOCKED_OUT", "PASSWORD_EXPIRED", "SUSPENDED"}

// Okta does not say where unsuspend and unlock end: it has been seen to be PASSWORD_EXPIRED.
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

// lifecycleRequire keeps fields from actions that do not take them: what nothing enforces is an error.
const lifecycleRequire = `"description":"send_email goes with activate, deactivate and reset_password; revoke_sessions with expire_password_with_temp_password and reset_password","allOf":[{"if":{"required":["send_email"]},"then":{"properties":{"action":{"enum":["activate","deactivate","reset_password"]}}}},` +
	`{"if":{"required":["revoke_sessions"]},"then":{"properties":{"action":{"enum":["expire_password_with_temp_password","reset_password"]}}}}]`

// lifecycleRules lower the actions that give back what another took.
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
	action := lifecycleActions[i] // the schema has no others
	if action.name == "unlock" && heading(before.Value) == "ACTIVE" {
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

// isBlocked reports whether a user is kept out on unknown devices, which leaves the status ACTIVE and which unlock ends.
// An org that does not have such blocks refuses to tell of them.
func isBlocked(c *connector.Call, id string) (bool, *connector.Result) {
	u, failed := c.ReadObject(hostcall.Request{Endpoint: getUser.Endpoint, Path: connector.Pairs("id", id), Query: connector.Pairs("expand", "blocks")}, "User", "user")
	if failed != nil && failed.Outcome != abi.Rejected { // not told now, which is not none
		return false, failed
	}
	for range u.At("_embedded", "blocks").Elements() {
		return true, nil
	}
	return false, nil
}

// heading is the status that a user has, or will have once a change is over that is under way: Okta ends it by itself.
func heading(u jsonval.Value) string {
	return cmp.Or(u.Get("transitioningToStatus").Str(), u.Get("status").Str())
}

// resting reports whether no change of a user's status is under way.
func resting(u jsonval.Value) bool { return heading(u) == u.Get("status").Str() }

// tokenOwner returns the id of the token's owner; empty is a token of nobody, such as a service app's, which Okta says with a
// 404. Any other failure tells nothing: the owner may be the very target, so that nothing is sent. question is what the
// owner was asked for.
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

// ownerIsIn reports whether the token's owner is in a group, so that what is taken from the group is taken from the token.
func ownerIsIn(c *connector.Call, group, owner string) (bool, *connector.Result) {
	question := "whether the token's owner, user " + owner + ", is in group " + group
	is, known, failed := isMember(c, group, owner)
	switch {
	case failed != nil:
		return false, unchecked(*failed, question)
	case !known:
		r := connector.Refuse("own_account", "nothing was sent, since "+question+" could not be checked: the owner is in too many groups. Do it with another administrator's token")
		return false, &r
	}
	return is, nil
}

// unchecked is the end before a write whose question the failure leaves open.
func unchecked(r connector.Result, question string) *connector.Result {
	e := *r.Err
	e.Message = "nothing was sent, since " + question + " could not be checked: " + e.Message
	if r.Outcome == abi.NotFound { // which is for the operation's own target
		r.Outcome, e.Code = abi.Rejected, string(abi.Rejected)
	}
	r.Err = &e
	return &r
}

// reactivate picks the call that fits the status. Okta's own of that name starts an unfinished activation again; it is
// not the inverse of deactivate.
func reactivate(c *connector.Call) connector.Result {
	before, failed := targetUser(c)
	if failed != nil {
		return *failed
	}
	action := lifecycleAction{name: "activate", from: []string{"PROVISIONED", "RECOVERY", "DEPROVISIONED", "STAGED"}, to: []string{"ACTIVE"},
		already: true, email: true, secret: "activation link", renew: "reactivate_user"}
	status := before.Get("status").Str()
	activates := status == "DEPROVISIONED" || status == "STAGED"
	if c.Settling && c.Bound.Endpoint != "" { // the status may be the earlier run's doing
		activates = c.Bound.Endpoint == lifecycle("activate").Endpoint
	}
	switch {
	case activates:
		action.to = append(action.to, "PROVISIONED", "PASSWORD_EXPIRED")
	case status != "ACTIVE":
		action.name, action.to = "reactivate", nil // the status stays
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

// moveUser takes a user, as just read, through a lifecycle action, and reads what came of it.
func moveUser(c *connector.Call, before jsonval.Value, action lifecycleAction) connector.Result {
	id, status := before.Get("id").Str(), before.Get("status").Str()
	reached := func(u jsonval.Value) bool { return slices.Contains(action.to, heading(u)) }
	if action.already && reached(before) {
		r := connector.Result{Outcome: abi.Unchanged, Output: transition(before, before)}
		if status == "PROVISIONED" && action.name == "activate" {
			r.Warnings = []string{"the activation waits for the user: run reactivate_user for another link"}
		}
		return r
	}
	if !resting(before) {
		r := connector.Refuse("transition", "the user is "+status+" and on the way to "+heading(before)+": repeat "+action.name+" once that is over")
		r.Err.Retryable = true
		return r
	}
	if !slices.Contains(action.from, status) {
		return connector.Refuse("status", action.name+" is for users who are "+strings.Join(action.from, ", ")+", and this one is "+status+action.wayOut(status))
	}
	if action.ends && status != "STAGED" && status != "PROVISIONED" && !c.Settling {
		owner, failed := tokenOwner(c, "whether user "+id+" is the token's owner")
		if failed != nil {
			return *failed.Withholding(lifecycle(action.name).Endpoint, connector.Pairs("id", id))
		}
		if owner == id {
			r := connector.Refuse("own_account", action.name+" of user "+id+" would end this connection: the token is that user's, and Okta takes no token of a user who is not active. "+
				"Do it with another administrator's")
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
		case action.to == nil || reached(before): // a status that was there before tells nothing
			return connector.Blind, connector.Result{}
		case reached(now):
			r := connector.Result{Output: transition(before, now)}
			if action.secret != "" && !c.Input.Get("send_email").True() {
				r.Warnings = []string{"the " + action.secret + " was lost with the answer: run " + action.renew + " for another"}
			}
			return connector.Holds, r
		case now.Get("status").Str() == status && resting(now):
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
				r.Warnings = []string{"Okta took it, and the user could not be read afterwards: " + failed.Err.Message}
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
			case action.already && reached(now): // somebody else was faster
				return connector.Result{Outcome: abi.Unchanged, Output: transition(before, now)}
			case r.Outcome == abi.NotFound: // Okta says so of users in a status that does not fit, too
				r.Outcome, r.Err.Code = abi.Rejected, "status"
				r.Err.Message = "the user exists and is " + now.Get("status").Str() + ". " + r.Err.Message
			}
			return r
		},
		Look: look,
	})
}

// wayOut says what else to do with a user of a status that the action is not for. Who is to be kept out is not to be made
// usable first.
func (a lifecycleAction) wayOut(status string) string {
	if a.name != "suspend" {
		return wayOut(status)
	}
	switch status {
	case "DEPROVISIONED":
		return ": the user cannot sign in"
	case "STAGED":
		return ": the user has not been activated, and cannot sign in. deactivate_user keeps it so"
	}
	return ": to keep the user out, run deactivate_user, which works from this status; to end what is open now, revoke_session"
}

// wayOut says what a user of a status needs first.
func wayOut(status string) string {
	switch status {
	case "STAGED", "DEPROVISIONED":
		return ": activate the user first (reactivate_user)"
	case "PROVISIONED", "RECOVERY":
		return ": the user has yet to follow a link (reactivate_user makes another)"
	case "LOCKED_OUT":
		return ": unlock the user first"
	case "SUSPENDED":
		return ": unsuspend the user first"
	case "PASSWORD_EXPIRED":
		return ": the user has to set a new password first"
	}
	return ""
}

// credentials are the members of a lifecycle answer that let somebody in, under names of our own, as members of an
// object; "" is none.
func credentials(answer jsonval.Value) string {
	var w jsonval.Writer
	for _, m := range [...][2]string{{"activationUrl", "activation_url"}, {"activationToken", "activation_token"},
		{"resetPasswordUrl", "reset_password_url"}, {"tempPassword", "temporary_password"}} {
		w.StrIf(m[1], answer.Get(m[0]).Str())
	}
	return strings.Trim(w.String(), "{}")
}

// transition is the output of a change of a user's status, both ends as read, and more members.
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

// removeUser does Okta's two steps one at a time: a DELETE deactivates an active user and deletes a deactivated one, so
// that which of the two it does must be read before.
func removeUser(c *connector.Call) connector.Result {
	before, failed := targetUser(c)
	if user := c.Str("user"); before.Gone && (c.Settling || isID(user, "00u")) {
		output := `{"user":` + jsonval.Quote(user) + `,"before":null,"after":"DELETED"}`
		if c.Settling { // the earlier run found the user, or it would not have written
			return c.Reconcile(connector.Result{Output: output})
		}
		return connector.Result{Outcome: abi.Unchanged, Output: output}
	}
	if before.Gone {
		failed.Err.Message += ". A login that nobody has may be misspelt; an id that is gone is unchanged"
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
	off := func(u connector.Object) bool { return u.Get("status").Str() == "DEPROVISIONED" && resting(u.Value) } // so that a DELETE deletes
	gone := connector.Look(read, func(u connector.Object) bool { return u.Gone }, func(connector.Object) string { return ends("DELETED") })

	query := []hostcall.Pair{c.Flag("send_email", "sendEmail")}
	so := "the user was not deleted"
	if !off(before) {
		if r := moveUser(c, before.Value, deactivation); !r.Outcome.OK() {
			r.Err.Message = so + ", since it could not be deactivated first: " + r.Err.Message
			return r
		}
		is, _ := c.Settle(connector.Look(read, func(u connector.Object) bool { return c.Planning || u.Gone || off(u) },
			func(connector.Object) string { return "" }), connector.LaggingTime)
		if is != connector.Holds {
			r := connector.Fail(abi.Unavailable, "deactivating", "Okta is still deactivating the user, and deleted nothing: run delete_user again in a minute")
			r.Err.Retryable, r.Output = true, ends(status)
			return r
		}
		query = []hostcall.Pair{{Name: "sendEmail", Value: "false"}} // one mail is enough
		so = "the user was deactivated, and not deleted"
	}
	r := c.Change(connector.Change{
		Request: hostcall.Request{Endpoint: deleteUser.Endpoint, Path: connector.Pairs("id", id), Query: query},
		Type:    "User", Noun: "user",
		What:   "deleting user " + id,
		Undone: so,
		Final:  true,
		Done: func(hostcall.Response) connector.Result {
			if is, r := c.Settle(gone, connector.LaggingTime); is == connector.Holds {
				r.Outcome = abi.Succeeded
				return r
			}
			r := connector.Fail(abi.Unknown, string(abi.Unknown), "Okta took the deletion, and the user can still be read: run delete_user again in a minute")
			r.Err.Retryable = true
			return r
		},
		Refused: func(r connector.Result) connector.Result {
			if is, now := gone(); is == connector.Holds { // somebody else was faster
				now.Outcome = abi.Unchanged
				return now
			}
			if r.Outcome == abi.NotFound {
				r.Outcome, r.Err.Code = abi.Rejected, string(abi.Rejected)
			}
			r.Err.Message = so + ". " + r.Err.Message
			return r
		},
		Look: gone,
	})
	if r.Outcome == abi.Unchanged && !off(before) {
		r.Outcome = abi.Succeeded // the deactivation was this call's
	}
	if !r.Outcome.OK() && r.Outcome != abi.Unknown && !off(before) {
		r.Output = ends("DEPROVISIONED")
	}
	return r
}
