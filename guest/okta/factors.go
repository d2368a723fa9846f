package okta

import (
	"github.com/mach5/okta-connector/guest/connector"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector/compare"
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
	{
		Name: "reset_all_factors",
		Summary: "Resets all factors of a user, who must enrol again. The output lists the factors that are gone. Okta also resets factors it " +
			"does not list to the token's owner.",
		Addition:    true,
		Class:       abi.Destructive,
		Surfaces:    axon,
		Idempotency: abi.Idempotent,
		Inputs:      []connector.Input{targetInput},
		Example:     `{"user":"ada.lovelace@example.com"}`,
		Rejects:     "short_name status",
		Endpoints:   []*abi.Endpoint{&getUser, &getUsers, &getFactors, lifecycle("reset_factors")},
		Do:          resetAllFactors,
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
	// An earlier run that was given a type found the factor in the list before it wrote. An earlier run that was given an
	// id may not have found it. Repeating the DELETE is safe then, since an id is never reused.
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

// resetAllFactors sends the request even if Okta lists no factors, because it may have some that it does not list.
func resetAllFactors(c *connector.Call) connector.Result {
	u, failed := targetUser(c)
	if failed != nil {
		return *failed
	}
	id, status := u.Get("id").Str(), u.Get("status").Str()
	if !slices.Contains(signedUp, status) {
		return connector.Refuse("status", "the user is "+status+": a reset of factors needs status "+strings.Join(signedUp, " or ")+remedy(status))
	}
	before, failed := readFactors(c, id)
	if failed != nil {
		return *failed
	}
	what, accepted := "resetting all factors of user "+id, false
	output := func(gone, left []string) string {
		var w jsonval.Writer
		w.Str("user", id).StrIf("login", u.At("profile", "login").Str()).Raw("reset", "["+strings.Join(gone, ",")+"]")
		return w.Raw("still_enrolled", "["+strings.Join(left, ",")+"]").String()
	}
	look := func() (connector.Reading, connector.Result) {
		now, failed := readFactors(c, id)
		if failed != nil {
			return connector.Unclear, connector.Result{}
		}
		var gone, left []string
		for f := range before.Elements() {
			var w jsonval.Writer
			w.Str("id", f.Get("id").Str()).Str("factor_type", f.Get("factorType").Str()).StrIf("provider", f.Get("provider").Str())
			if holds(now, f.Get("id").Str()) {
				left = append(left, w.String())
			} else {
				gone = append(gone, w.String())
			}
		}
		r := connector.Result{Output: output(gone, left)}
		switch {
		case len(gone)+len(left) == 0: // an empty list proves nothing
			return connector.Unobservable, connector.Result{}
		case len(gone) == 0:
			return connector.Absent, connector.Result{}
		case len(left) > 0 && !accepted: // another client may have reset them
			return connector.Unclear, connector.Result{}
		case len(left) > 0:
			r.Warnings = []string{"Okta accepted the reset, but still lists the factors in still_enrolled. It enrols some by itself, such as e-mail"}
		}
		return connector.Holds, r
	}
	r := c.Change(connector.Change{
		Request: hostcall.Request{Endpoint: lifecycle("reset_factors").Endpoint, Path: connector.Pairs("id", id)},
		Type:    "User", Noun: "user",
		What:   what,
		Undone: "the factors were not reset",
		Done: func(hostcall.Response) connector.Result {
			accepted = true
			r := c.ConfirmEffect(look, output(nil, nil), what)
			if compare.IsEmpty(before) {
				r.Warnings = append(r.Warnings, "Okta lists no factor of this user to the token's owner, so the output cannot say which were reset")
			}
			return r
		},
		Look: look,
	})
	if r.Outcome == abi.Unknown { // a second reset is harmless
		r.Err.Retryable = true
		r.Err.Message += ", or repeat it, which is safe"
	}
	return r
}

// holds reports whether a list has an object of an id.
func holds(list jsonval.Value, id string) bool {
	for e := range list.Elements() {
		if e.Get("id").Str() == id {
			return true
		}
	}
	return false
}
