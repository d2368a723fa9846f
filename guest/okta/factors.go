package okta

import (
	"github.com/mach5/okta-connector/guest/connector"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	getFactors   = abi.Endpoint{Endpoint: "GET /api/v1/users/{userId}/factors", Bucket: "/api/v1/users", Scopes: []string{"okta.users.read"}, Sensitive: factorSecrets}
	deleteFactor = abi.Endpoint{Endpoint: "DELETE /api/v1/users/{userId}/factors/{factorId}", Bucket: "/api/v1/users", Scopes: manageUsers, Query: []string{"removeRecoveryEnrollment"}}
)

var factorOperations = []connector.Operation{
	{
		Name: "list_factors",
		Summary: "Lists the factors that a user has enrolled. Okta shows those that the enrolment policy allows where the token's " +
			"owner is. What makes a factor's codes is left out.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{userInput},
		Example:     `{"user":"ada.lovelace@example.com"}`,
		Key:         "id",
		Columns:     factorColumns,
		Display:     factorDisplay,
		Endpoints:   []*abi.Endpoint{&getUser, &getUsers, &getFactors},
		List:        &connector.List{Endpoint: getFactors.Endpoint, Resolve: userPath, Omit: factorSecrets, Noun: "user", Type: "User"},
	},
	{
		Name: "reset_factor",
		Summary: "Takes one factor from a user, who must then enrol it anew. A factor that is gone already stays unchanged; Okta lists " +
			"those alone that policy allows where the token's owner is, so that an id reaches more than a factorType. Of Okta Verify, " +
			"push and signed_nonce take the user's other factors of that app with them, which the output then names.",
		Class:       abi.Destructive,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			targetInput,
			{"factor", true, `{"type":"string","minLength":1,"maxLength":64,"pattern":"^(` + strings.Join(factorTypes, "|") + `|[A-Za-z0-9]{15,64})$",` +
				`"description":"the factor's id, or a factorType that the user has once: ` + strings.Join(factorTypes, ", ") + `"}`},
			connector.BoolInput("remove_recovery_enrollment", "takes the factor's phone or e-mail as a means of recovery, too; where the factor is gone, it stays"),
		},
		Example:   `{"user":"ada.lovelace@example.com","factor":"sms"}`,
		Endpoints: []*abi.Endpoint{&getUser, &getUsers, &getFactors, &deleteFactor},
		Do:        resetFactor,
	},
}

// factorSecrets are what a record of a factor goes out without: what makes its codes, which one that is yet to be
// activated may have.
var factorSecrets = []string{"_embedded.activation", "profile.sharedSecret"}

// factorTypes are those of Okta's OpenAPI document (UserFactorType).
var factorTypes = []string{"call", "email", "push", "question", "signed_nonce", "sms", "token", "token:hardware", "token:hotp", "token:software:totp", "u2f", "web", "webauthn"}

// factorDisplay lists the columns that a table for people shows.
const factorDisplay = "factor_type provider status phone_number email created id"

var factorColumns = []connector.Column{
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
func userPath(c *connector.Call) ([]hostcall.Pair, *connector.Result) {
	id, failed := userID(c)
	return connector.Pairs("userId", id), failed
}

func readFactors(c *connector.Call, user string) (jsonval.Value, *connector.Result) {
	resp := c.SendWithToken(hostcall.Request{Endpoint: getFactors.Endpoint, Path: connector.Pairs("userId", user)})
	if !connector.OK(resp) {
		r := c.Failure(resp, "User", "user")
		return jsonval.Value{}, &r
	}
	return c.Array(resp, "factors")
}

func resetFactor(c *connector.Call) connector.Result {
	user, failed := userID(c)
	if failed != nil {
		return *failed
	}
	before, failed := readFactors(c, user)
	if failed != nil {
		return *failed
	}
	want := c.Str("factor")
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
		return connector.Refuse("ambiguous", "the user has several factors of type "+want+": "+strings.Join(same, ", ")+". Give an id")
	}
	var w jsonval.Writer
	w.Str("user", user)
	// A run that died after it took a type found the factor in the list. One that was given an id may have not; the id is no
	// other factor's, so that to send it again does no more.
	id, listed := want, found.Exists() || c.Settling && slices.Contains(factorTypes, c.Input.Get("factor").Str())
	// Okta takes a means of recovery along with a factor, and in no other way.
	var recovery []string
	if c.Input.Get("remove_recovery_enrollment").True() {
		recovery = []string{"remove_recovery_enrollment did nothing, since there is no such factor: a phone or e-mail that is a means of recovery stays one"}
	}
	switch {
	case found.Exists():
		id = found.Get("id").Str()
	case slices.Contains(factorTypes, want):
		return connector.Result{Outcome: abi.Unchanged, Output: w.Str("factor", want).Bool("enrolled", false).String(),
			Warnings: append(recovery, "Okta lists no factor of this type, and lists those alone that policy allows where the token's owner is: an id reaches any")}
	}
	c.Settling = c.Settling && listed
	output := w.Str("factor", id).StrIf("factor_type", found.Get("factorType").Str()).Bool("enrolled", false).String()
	look := func() (connector.Reading, connector.Result) {
		if !listed { // and would not be if it was there: only the answer to the DELETE tells
			return connector.Blind, connector.Result{}
		}
		all, failed := readFactors(c, user)
		if failed != nil {
			return connector.Unclear, connector.Result{}
		}
		there := map[string]bool{}
		for f := range all.Elements() {
			there[f.Get("id").Str()] = true
		}
		if there[id] {
			return connector.Absent, connector.Result{}
		}
		var more []string // that went with it
		for f := range before.Elements() {
			if other := f.Get("id").Str(); other != id && !there[other] {
				more = append(more, jsonval.Quote(f.Get("factorType").Str()))
			}
		}
		r := connector.Result{Output: output}
		if more != nil {
			r.Output = strings.TrimSuffix(output, "}") + `,"reset_with_it":[` + strings.Join(more, ",") + "]}"
		}
		return connector.Holds, r
	}
	what := "resetting factor " + id + " of user " + user
	return c.Change(connector.Change{
		Request: hostcall.Request{Endpoint: deleteFactor.Endpoint, Path: connector.Pairs("userId", user, "factorId", id),
			Query: c.Params([]connector.Param{{"remove_recovery_enrollment", "removeRecoveryEnrollment"}})},
		Type: "User", Noun: "user",
		What:   what,
		Undone: "the factor was not reset",
		Final:  want == id, // another enrolment has another id
		Done:   func(hostcall.Response) connector.Result { return c.ConfirmEffect(look, output, what) },
		Refused: func(r connector.Result) connector.Result {
			if r.Err.Upstream != nil && missingType(*r.Err.Upstream, "UserFactor") { // somebody else was faster
				return connector.Result{Outcome: abi.Unchanged, Output: output, Warnings: recovery}
			}
			return r
		},
		Look: look,
	})
}
