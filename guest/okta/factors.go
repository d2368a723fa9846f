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
	getFactors   = abi.Endpoint{Endpoint: "GET /api/v1/users/{userId}/factors", Bucket: "/api/v1/users", Scopes: []string{"okta.users.read"}, Sensitive: factorSecrets, Query: pageParams}
	deleteFactor = abi.Endpoint{Endpoint: "DELETE /api/v1/users/{userId}/factors/{factorId}", Bucket: "/api/v1/users", Scopes: manageUsers, Query: []string{"removeRecoveryEnrollment"}}
)

var factorOperations = []connector.Operation{
	{
		Name: "list_factors",
		Summary: "Lists a user's enrolled factors. Okta lists only those that policy allows from the network of the token's " +
			"owner. Secrets of factors are removed.",
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
		View:        &abi.View{Name: "user_factors", Of: ofUsers, Comment: "The factors of each user: a request for each."},
	},
	{
		Name: "reset_factor",
		Summary: "Resets one factor: the user must enrol it again. A missing factor is unchanged. A factorType finds only factors " +
			"that Okta lists to the token's owner; an id finds all. Resetting push or signed_nonce of Okta Verify " +
			"also resets the user's other Okta Verify factors, which the output names.",
		Class:       abi.Destructive,
		Surfaces:    axon,
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			targetInput,
			{"factor", true, `{"type":"string","minLength":1,"maxLength":64,"pattern":"^(` + strings.Join(factorTypes, "|") + `|[A-Za-z0-9]{15,64})$",` +
				`"description":"the factor's id, or a factorType of which the user has one: ` + strings.Join(factorTypes, ", ") + `"}`},
			connector.BoolInput("remove_recovery_enrollment", "also removes the factor's phone or e-mail as a means of recovery; has no effect if the factor is missing"),
		},
		Example:   `{"user":"ada.lovelace@example.com","factor":"sms"}`,
		Rejects:   "ambiguous short_name",
		Endpoints: []*abi.Endpoint{&getUser, &getUsers, &getFactors, &deleteFactor},
		Do:        resetFactor,
	},
}

// factorSecrets are the members that are removed from a factor's record: they generate its codes. A factor that is not
// activated yet may have them.
var factorSecrets = []string{"_embedded.activation", "profile.sharedSecret"}

// factorTypes are the values of UserFactorType in Okta's OpenAPI document.
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
	{"phone_number", abi.Varchar, "profile.phoneNumber", "with sms and call"},
	{"email", abi.Varchar, "profile.email", "of email"},
	{"credential_id", abi.Varchar, "profile.credentialId", "with totp and push"},
	{"user_link", abi.Varchar, "_links.user.href", "link to the user"},
	{"verify", abi.JSON, "verify", ""},
	{"profile", abi.JSON, "profile", ""},
	{"embedded", abi.JSON, "_embedded", ""},
	{"links", abi.JSON, "_links", ""},
}

// userPath returns the path parameter for an endpoint about a user. It resolves a login to an id.
func userPath(c *connector.Call) ([]hostcall.Pair, *connector.Result) {
	id, failed := userID(c)
	return connector.Pairs("userId", id), failed
}

// userIDPath is userPath for endpoints whose parameter is named id.
func userIDPath(c *connector.Call) ([]hostcall.Pair, *connector.Result) {
	id, failed := userID(c)
	return connector.Pairs("id", id), failed
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
	// An earlier run that was given a type found the factor in the list before it wrote. One that was given an id may not
	// have. Repeating the DELETE is safe then, since an id is never reused.
	id, listed := want, found.Exists() || c.Settling && slices.Contains(factorTypes, c.Input.Get("factor").Str())
	// Okta removes a means of recovery only together with a factor.
	var recovery []string
	if c.Input.Get("remove_recovery_enrollment").True() {
		recovery = []string{"the factor does not exist, so remove_recovery_enrollment had no effect: the user's means of recovery are kept"}
	}
	switch {
	case found.Exists():
		id = found.Get("id").Str()
	case slices.Contains(factorTypes, want):
		return connector.Result{Outcome: abi.Unchanged, Output: w.Str("factor", want).Bool("enrolled", false).String(),
			Warnings: append(recovery, "Okta lists no factor of this type. It lists only those that policy allows from the network of the token's owner: give an id to reset any other")}
	}
	c.Settling = c.Settling && listed
	output := w.Str("factor", id).StrIf("factor_type", found.Get("factorType").Str()).Bool("enrolled", false).String()
	look := func() (connector.Reading, connector.Result) {
		if !listed { // a list without the factor proves nothing: only the response to the DELETE does
			return connector.Unobservable, connector.Result{}
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
		var more []string // factors that were reset with it
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
		Final:  want == id, // a new enrolment has a new id
		Done:   func(hostcall.Response) connector.Result { return c.ConfirmEffect(look, output, what) },
		Refused: func(r connector.Result) connector.Result {
			if r.Err.Upstream != nil && missingType(*r.Err.Upstream, "UserFactor") { // another client has reset it
				return connector.Result{Outcome: abi.Unchanged, Output: output, Warnings: recovery}
			}
			return r
		},
		Look: look,
	})
}
