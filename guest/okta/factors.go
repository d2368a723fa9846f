package okta

import (
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	getFactors   = abi.Endpoint{Endpoint: "GET /api/v1/users/{userId}/factors", Bucket: "/api/v1/users", Scopes: []string{"okta.users.read"}, Sensitive: factorSecrets}
	deleteFactor = abi.Endpoint{Endpoint: "DELETE /api/v1/users/{userId}/factors/{factorId}", Bucket: "/api/v1/users", Scopes: manageUsers}
)

var factorOperations = []operation{
	{
		name: "list_factors",
		summary: "Lists the factors that a user has enrolled. Okta shows those that the enrolment policy allows where the token's " +
			"owner is. What makes a factor's codes is left out.",
		class:       abi.Read,
		surfaces:    axonSQL,
		idempotency: abi.Safe,
		inputs:      []input{userInput},
		example:     `{"user":"ada.lovelace@example.com"}`,
		key:         "id",
		columns:     factorColumns,
		endpoints:   []abi.Endpoint{getUser, getUsers, getFactors},
		list:        &list{endpoint: getFactors.Endpoint, resolve: (*call).userPath, omit: factorSecrets, noun: "user", typ: "User"},
	},
	{
		name: "reset_factor",
		summary: "Takes one factor from a user, who must then enrol it anew. A factor that is gone already stays unchanged; Okta lists " +
			"those alone that policy allows where the token's owner is, so that an id reaches more than a factorType. Of Okta Verify, " +
			"push and signed_nonce take the user's other factors of that app with them, which the output then names.",
		class:       abi.Destructive,
		surfaces:    axon,
		idempotency: abi.Verified,
		inputs: []input{
			targetInput,
			{"factor", true, `{"type":"string","minLength":1,"maxLength":64,"pattern":"^(` + strings.Join(factorTypes, "|") + `|[A-Za-z0-9]{15,64})$",` +
				`"description":"the factor's id, or a factorType that the user has once: ` + strings.Join(factorTypes, ", ") + `"}`},
			boolInput("remove_recovery_enrollment", "takes the factor's phone or e-mail as a means of recovery, too; where the factor is gone, it stays"),
		},
		example:   `{"user":"ada.lovelace@example.com","factor":"sms"}`,
		endpoints: []abi.Endpoint{getUser, getUsers, getFactors, deleteFactor},
		do:        resetFactor,
	},
}

// factorSecrets are what a record of a factor goes out without: what makes its codes, which one that is yet to be
// activated may have.
var factorSecrets = []string{"_embedded.activation", "profile.sharedSecret"}

// factorTypes are those of Okta's OpenAPI document (UserFactorType).
var factorTypes = []string{"call", "email", "push", "question", "signed_nonce", "sms", "token", "token:hardware", "token:hotp", "token:software:totp", "u2f", "web", "webauthn"}

var factorColumns = []column{
	{"id", abi.Varchar, "id", "the factor's id"},
	{"factor_type", abi.Varchar, "factorType", "such as push, sms, token:software:totp or webauthn"},
	{"provider", abi.Varchar, "provider", "OKTA, GOOGLE, FIDO, …"},
	{"vendor_name", abi.Varchar, "vendorName", ""},
	{"status", abi.Varchar, "status", "ACTIVE, PENDING_ACTIVATION, ENROLLED, …"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"phone_number", abi.Varchar, "profile.phoneNumber", "of sms and call"},
	{"email", abi.Varchar, "profile.email", "of email"},
	{"credential_id", abi.Varchar, "profile.credentialId", "of totp and push"},
	{"user_link", abi.Varchar, "_links.user.href", "whose it is"},
	{"verify", abi.JSON, "verify", ""},
	{"profile", abi.JSON, "profile", ""},
	{"embedded", abi.JSON, "_embedded", ""},
	{"links", abi.JSON, "_links", ""},
}

// userPath fills the path of an endpoint about a user; a login is resolved to an id.
func (c *call) userPath() ([]hostcall.Pair, *result) {
	id, failed := c.userID()
	return at("userId", id), failed
}

func (c *call) factors(user string) (jsonval.Value, *result) {
	resp := c.send(hostcall.Request{Endpoint: getFactors.Endpoint, Path: at("userId", user)})
	if !ok(resp) {
		r := c.failure(resp, "User", "user")
		return jsonval.Value{}, &r
	}
	return c.array(resp, "factors")
}

func resetFactor(c *call) result {
	user, failed := c.userID()
	if failed != nil {
		return *failed
	}
	before, failed := c.factors(user)
	if failed != nil {
		return *failed
	}
	want := c.str("factor")
	var found jsonval.Value
	var same []string
	for f := range before.Elements() {
		if f.Get("id").Str() == want {
			found, same = f, nil
			break
		}
		if f.Get("factorType").Str() == want {
			found, same = f, append(same, f.Get("id").Str()+" ("+f.Get("provider").Str()+")")
		}
	}
	if len(same) > 1 {
		return refuse("ambiguous", "the user has several factors of type "+want+": "+strings.Join(same, ", ")+". Give an id")
	}
	var w jsonval.Writer
	w.Str("user", user)
	// A run that died after it took a type found the factor in the list. One that was given an id may have not; the id is no
	// other factor's, so that to send it again does no more.
	id, listed := want, found.Exists() || c.settling && slices.Contains(factorTypes, c.input.Get("factor").Str())
	// Okta takes a means of recovery along with a factor, and in no other way.
	var recovery []string
	if c.input.Get("remove_recovery_enrollment").True() {
		recovery = []string{"remove_recovery_enrollment did nothing, since there is no such factor: a phone or e-mail that is a means of recovery stays one"}
	}
	switch {
	case found.Exists():
		id = found.Get("id").Str()
	case slices.Contains(factorTypes, want):
		return result{outcome: abi.Unchanged, output: w.Str("factor", want).Bool("enrolled", false).String(),
			warnings: append(recovery, "Okta lists no factor of this type, and lists those alone that policy allows where the token's owner is: an id reaches any")}
	}
	c.settling = c.settling && listed
	output := w.Str("factor", id).StrIf("factor_type", found.Get("factorType").Str()).Bool("enrolled", false).String()
	look := func() (reading, result) {
		if !listed { // and would not be if it was there: only the answer to the DELETE tells
			return blind, result{}
		}
		all, failed := c.factors(user)
		if failed != nil {
			return untold, result{}
		}
		there := map[string]bool{}
		for f := range all.Elements() {
			there[f.Get("id").Str()] = true
		}
		if there[id] {
			return absent, result{}
		}
		var more []string // that went with it
		for f := range before.Elements() {
			if other := f.Get("id").Str(); other != id && !there[other] {
				more = append(more, jsonval.Quote(f.Get("factorType").Str()))
			}
		}
		r := result{output: output}
		if more != nil {
			r.output = strings.TrimSuffix(output, "}") + `,"reset_with_it":[` + strings.Join(more, ",") + "]}"
		}
		return holds, r
	}
	what := "resetting factor " + id + " of user " + user
	return c.change(change{
		request: hostcall.Request{Endpoint: deleteFactor.Endpoint, Path: at("userId", user, "factorId", id),
			Query: c.params([]param{{"remove_recovery_enrollment", "removeRecoveryEnrollment"}})},
		typ: "User", noun: "user",
		what:   what,
		undone: "the factor was not reset",
		final:  want == id, // another enrolment has another id
		done:   func(hostcall.Response) result { return c.seen(look, output, what) },
		refused: func(r result) result {
			if r.err.Upstream != nil && (oktaError{*r.err.Upstream}).missing("UserFactor") { // somebody else was faster
				return result{outcome: abi.Unchanged, output: output, warnings: recovery}
			}
			return r
		},
		look: look,
	})
}
