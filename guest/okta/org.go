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
		Summary:     "Checks the connection: the org, the token and its owner, the clock. A problem is a finding with a remedy, not an error.",
		Class:       abi.Read,
		Surfaces:    axon,
		Idempotency: abi.Safe,
		Example:     `{}`,
		Endpoints:   []*abi.Endpoint{&getOrganization, optional(&getMe), optional(&getOrg)},
		Do:          validate,
	},
	{
		Name:        "org_identity",
		Summary:     "Returns the org's id, name, engine and cell.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Example:     `{}`,
		Key:         "id",
		Columns:     orgColumns,
		Display:     orgDisplay,
		Endpoints:   []*abi.Endpoint{&getOrg, &getOrganization},
		Do:          orgIdentity,
		View:        &abi.View{Name: "org"},
	},
}

// orgDisplay lists the columns that a table for people shows.
const orgDisplay = "subdomain company_name status pipeline cell created id"

var orgColumns = []connector.Column{
	{"id", abi.Varchar, "id", "the org's id"},
	{"subdomain", abi.Varchar, "subdomain", ""},
	{"company_name", abi.Varchar, "companyName", ""},
	{"status", abi.Varchar, "status", ""},
	{"pipeline", abi.Varchar, "pipeline", "idx: Identity Engine, v1: Classic Engine"},
	{"cell", abi.Varchar, "cell", "the Okta cell that hosts the org"},
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

// orgIdentity merges the org's public description with the one that needs a token.
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

// maxClockSkew is how far the host's clock may be off before validate reports it, in seconds. Only `since` of a first
// poll depends on the clock.
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
		return connector.SendFailure(known.Err) // nothing else can be checked
	}
	body, isJSON := c.Body(known)
	isOrg := connector.OK(known) && isJSON && body.Get("id").Str() != ""
	if isOrg {
		organization = body.Raw()
		f.add("organization", true, "an Okta org, id "+body.Get("id").Str(), "")
	} else {
		f.add("organization", false, "wanted an Okta org, but GET /.well-known/okta-organization answered "+strconv.Itoa(known.Status)+
			" without one", "set base_url to the org's own address, such as https://example.okta.com")
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
	} else if why := whyUnread(c, me, "the token's owner"); readOrg && why != "" {
		f.add("credentials", false, "the token's owner could not be read: "+why, readAgain)
	} else if readOrg || me.Err == nil && c.ReadError(me).Code == notFoundCode { // a service app's token has no owner
		f.add("credentials", true, "the token is valid and belongs to a service app, not to a user", "")
	} else if isOrg && me.Err == nil && slices.Contains([]string{"E0000006", "E0000015"}, c.ReadError(me).Code) { // E0000011 alone means a bad token
		f.add("credentials", true, "the token is valid, but may not read its owner", "")
	} else {
		// The message of a failure says what to do. The remedy does not repeat it.
		detail, fix := c.Failure(me, "User", "user").Err.Message, "create a token in the Admin Console under Security > API > Tokens"
		if c.Settings.Get("auth").Str() == abi.AuthOAuth {
			fix = "look at the service app in the Admin Console under Applications"
		}
		if !isOrg {
			detail, fix = "the token was not checked", "correct base_url first"
		} else if why := whyUnread(c, me, "the token's owner"); why != "" {
			detail, fix = why, readAgain
		}
		f.add("credentials", false, detail, fix)
	}
	if readOrg {
		f.add("permissions", true, "the token may read the org's settings", "")
	} else if why := whyUnread(c, org, "the org"); !f.bad && why != "" {
		f.add("permissions", false, "the token's permissions could not be checked: "+why, readAgain)
	} else if !f.bad {
		f.add("permissions", true, "the token may not read the org's settings; other permissions were not checked", "")
	}

	var w jsonval.Writer
	w.Bool("valid", !f.bad).RawIf("organization", organization).RawIf("principal", principal)
	w.Raw("checks", texts.JSONArray(f.checks, func(s string) string { return s }))
	return connector.Result{Outcome: abi.Succeeded, Output: w.String()}
}

// readAgain is the remedy if a response says nothing about the token.
const readAgain = "run it again. If the result is the same, check the network between this machine and Okta"

// whyUnread says why a response without the wanted object says nothing about the token. It is empty if Okta refused the
// request.
func whyUnread(c *connector.Call, r hostcall.Response, what string) string {
	if r.Err == nil && r.Status < 400 { // such as a 304, though the request was not conditional
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

// merge adds the members of b to those of a. A member of both has a's value.
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
