package okta

import (
	"slices"
	"strconv"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/clock"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	getOrganization = abi.Endpoint{Endpoint: "GET /.well-known/okta-organization", Bucket: "/"}
	getMe           = abi.Endpoint{Endpoint: "GET /api/v1/users/me", Bucket: "/api/v1/users/me", Scopes: []string{"okta.users.read"}}
	getOrg          = abi.Endpoint{Endpoint: "GET /api/v1/org", Bucket: "/api/v1", Scopes: []string{"okta.orgs.read"}}
)

var orgOperations = []connector.Operation{
	{
		Name:        "validate",
		Summary:     "Checks that the connection works: the org, the token and whose it is, the clock. What is wrong is a finding with its fix, not an error.",
		Class:       abi.Read,
		Surfaces:    axon,
		Idempotency: abi.Safe,
		Example:     `{}`,
		Endpoints:   []*abi.Endpoint{&getOrganization, &getMe, &getOrg},
		Do:          validate,
	},
	{
		Name:        "org_identity",
		Summary:     "Says which org this is: its id, name, engine and cell.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Example:     `{}`,
		Key:         "id",
		Columns:     orgColumns,
		Display:     orgDisplay,
		Endpoints:   []*abi.Endpoint{&getOrg, &getOrganization},
		Do:          orgIdentity,
	},
}

// orgDisplay lists the columns that a table for people shows.
const orgDisplay = "subdomain company_name status pipeline cell created id"

var orgColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the org's id"},
	{"subdomain", abi.Varchar, "subdomain", ""},
	{"company_name", abi.Varchar, "companyName", ""},
	{"status", abi.Varchar, "status", ""},
	{"pipeline", abi.Varchar, "pipeline", "idx is Identity Engine, v1 is Classic"},
	{"cell", abi.Varchar, "cell", "where Okta hosts the org"},
	{"created", abi.TimestampTZ, "created", ""},
	{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
	{"expires_at", abi.TimestampTZ, "expiresAt", ""},
	{"website", abi.Varchar, "website", ""},
	{"phone_number", abi.Varchar, "phoneNumber", ""},
	{"support_phone_number", abi.Varchar, "supportPhoneNumber", ""},
	{"end_user_support_help_url", abi.Varchar, "endUserSupportHelpURL", ""},
	{"address1", abi.Varchar, "address1", ""},
	{"address2", abi.Varchar, "address2", ""},
	{"city", abi.Varchar, "city", ""},
	{"state", abi.Varchar, "state", ""},
	{"country", abi.Varchar, "country", ""},
	{"postal_code", abi.Varchar, "postalCode", ""},
	{"settings", abi.JSON, "settings", ""},
	{"links", abi.JSON, "_links", ""},
}

// orgIdentity merges what the org says of itself to everybody and to those with a token.
func orgIdentity(c *connector.Call) connector.Result {
	org, failed := c.ReadObject(hostcall.Request{Endpoint: getOrg.Endpoint}, "", "org")
	if failed != nil {
		return *failed
	}
	known := c.Send(hostcall.Request{Endpoint: getOrganization.Endpoint})
	body, isJSON := c.Body(known)
	if !connector.OK(known) {
		return c.Failure(known, "", "")
	}
	if !isJSON || body.Get("id").Str() == "" {
		return c.BadBody(known, "wanted an organization, found "+connector.Describe(body, isJSON))
	}
	return connector.Result{Outcome: abi.Succeeded, Output: merge(org.Value, body)}
}

// maxClockSkew is how far the host's clock may be off before validate says so, in seconds. Requests do not depend on
// it; `since` of a first poll does.
const maxClockSkew = 300

// findings collects the checks of validate.
type findings struct {
	checks []string
	bad    bool
}

func (f *findings) add(name string, ok bool, detail, fix string) {
	var w jsonval.Writer
	w.Str("name", name).Bool("ok", ok).Str("detail", detail).StrIf("fix", fix)
	f.checks = append(f.checks, w.String())
	f.bad = f.bad || !ok
}

func validate(c *connector.Call) connector.Result {
	var f findings
	var organization, principal string

	known := c.Send(hostcall.Request{Endpoint: getOrganization.Endpoint})
	if known.Err != nil {
		return connector.SendFailure(known.Err) // nothing can be said of a host that does not answer
	}
	body, isJSON := c.Body(known)
	isOrg := connector.OK(known) && isJSON && body.Get("id").Str() != ""
	if isOrg {
		organization = body.Raw()
		f.add("organization", true, "an Okta org, id "+body.Get("id").Str(), "")
	} else {
		f.add("organization", false, "GET /.well-known/okta-organization answered "+strconv.Itoa(known.Status)+
			" and no Okta organization", "set base_url to the org's own address, such as https://example.okta.com")
	}
	checkEngine(&f, body.Get("pipeline").Str(), isOrg)
	checkClock(&f, known.Header("date"), c.Now)

	me := c.SendWithToken(hostcall.Request{Endpoint: getMe.Endpoint})
	org := c.SendWithToken(hostcall.Request{Endpoint: getOrg.Endpoint})
	orgBody, isJSON := c.Body(org)
	readOrg := connector.OK(org) && isJSON && orgBody.Get("id").Str() != ""
	if readOrg && isOrg {
		organization = merge(body, orgBody)
	}
	if meBody, isJSON := c.Body(me); connector.OK(me) && isJSON && meBody.Get("id").Str() != "" {
		principal = principalOf(meBody)
		f.add("credentials", true, "the token is "+meBody.At("profile", "login").Str()+"'s", "")
	} else if why := notRead(c, me, "the token's owner"); readOrg && why != "" {
		f.add("credentials", false, "whose token it is could not be read: "+why, readAgain)
	} else if readOrg { // a service app is no user
		f.add("credentials", true, "the token is valid and belongs to no user: a service app's", "")
	} else if isOrg && me.Err == nil && slices.Contains([]string{"E0000006", "E0000015"}, c.ReadError(me).Code) { // E0000011 alone means a bad token
		f.add("credentials", true, "the token is valid, and may not read whose it is", "")
	} else {
		r, fix := c.Failure(me, "User", "user"), "see that the token's owner is active; else create a token in the Admin Console under Security > API > Tokens, and put it where token_secret_ref points"
		if r.Err.Code == notOkta || !isOrg {
			fix = "mend base_url first: nobody who knows the token was asked"
		}
		f.add("credentials", false, r.Err.Message, fix)
	}
	if readOrg {
		f.add("permissions", true, "the token may read the org's settings", "")
	} else if why := notRead(c, org, "the org"); !f.bad && why != "" {
		f.add("permissions", false, "what the token may read did not show: "+why, readAgain)
	} else if !f.bad {
		f.add("permissions", true, "the token may not read the org's settings; what else it may do shows on use", "")
	}

	var w jsonval.Writer
	w.Bool("valid", !f.bad).RawIf("organization", organization).RawIf("principal", principal)
	w.Raw("checks", texts.JSONArray(f.checks, func(s string) string { return s }))
	return connector.Result{Outcome: abi.Succeeded, Output: w.String()}
}

// readAgain is the remedy where an answer says nothing of the token.
const readAgain = "run it again. If it stays so, see what is between this machine and Okta"

// notRead says why an answer says nothing of what was asked, and "" where Okta refused. The caller has found that it is not what was
// asked for.
func notRead(c *connector.Call, r hostcall.Response, what string) string {
	if r.Err == nil && r.Status < 400 { // 304 is one: nothing was asked that could be unchanged
		body, isJSON := c.Body(r)
		return c.BadBody(r, "wanted "+what+", found "+connector.Describe(body, isJSON)).Err.Message
	}
	if failed := c.Failure(r, "", ""); r.Err != nil || failed.Outcome == abi.Unavailable || failed.Outcome == abi.Throttled {
		return failed.Err.Message
	}
	return ""
}

func checkEngine(f *findings, pipeline string, isOrg bool) {
	switch {
	case pipeline == "idx":
		f.add("engine", true, "Identity Engine", "")
	case pipeline == "v1":
		f.add("engine", true, "Classic Engine: operations on devices and authenticators are not available", "")
	case isOrg:
		f.add("engine", true, "unknown ("+jsonval.Quote(pipeline)+")", "")
	}
}

func checkClock(f *findings, date, now string) {
	theirs, ok := clock.ParseHTTPDate(date)
	if !ok {
		return
	}
	ours, ok := clock.ParseInstant(now)
	if !ok {
		return
	}
	skew := int64(ours-theirs) / 1000
	if skew > maxClockSkew || skew < -maxClockSkew {
		where := "ahead of"
		if skew < 0 {
			skew, where = -skew, "behind"
		}
		f.add("clock", false, "this machine's clock is "+strconv.FormatInt(skew, 10)+" s "+where+" Okta's", "set the clock (NTP)")
		return
	}
	f.add("clock", true, "within "+strconv.Itoa(maxClockSkew)+" s of Okta's", "")
}

// merge adds the members of b to those of a; where both have one, a's stays.
func merge(a, b jsonval.Value) string {
	var w jsonval.Writer
	for k, v := range a.Members() {
		w.Raw(k, v.Raw())
	}
	for k, v := range b.Members() {
		if !a.Get(k).Exists() {
			w.Raw(k, v.Raw())
		}
	}
	return w.String()
}

func principalOf(user jsonval.Value) string {
	var w jsonval.Writer
	w.Str("type", "user").Str("id", user.Get("id").Str()).StrIf("login", user.At("profile", "login").Str())
	return w.StrIf("status", user.Get("status").Str()).String()
}
