package oktatest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func TestUser_ByIDLoginAndShortName_IsFound(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	id := h.get("/api/v1/users/ada.lovelace@example.com").get("id").Str
	for _, name := range []string{id, "ada.lovelace@example.com", "ADA.Lovelace@Example.com", "ada.lovelace"} {
		r := h.get("/api/v1/users/" + name)
		h.want(r, 200, "")
		same(t, name, r.get("id").Str, id)
		if r.Header().Get("ETag") == "" {
			t.Errorf("%s: no ETag", name)
		}
	}
	same(t, "me", h.get("/api/v1/users/me").get("profile.login").Str, "robin.keeper@example.com")
	for _, name := range []string{"nobody", "ada", "00unobody00000000000", "a%2Fb"} {
		r := h.get("/api/v1/users/" + name)
		h.want(r, 404, "E0000007")
		if !strings.HasSuffix(r.get("errorSummary").Str, "(User)") {
			t.Errorf("%s: summary %q does not name the type", name, r.get("errorSummary").Str)
		}
	}
}

func TestSeededUsers_OfASmallOrg_HaveAllStatuses(t *testing.T) {
	h := newHarness(t, oktatest.Config{Users: 11})
	for _, status := range strings.Fields("ACTIVE STAGED PROVISIONED SUSPENDED LOCKED_OUT PASSWORD_EXPIRED RECOVERY DEPROVISIONED") {
		h.withStatus(status)
	}
	same(t, "users", len(h.org.UserIDs()), 11)
	same(t, "no users", len(oktatest.New(oktatest.Config{Users: -1}).UserIDs()), 0)
}

func TestListUsers_EachQuery_HasTheRightUsers(t *testing.T) {
	h := newHarness(t, oktatest.Config{Users: 250})
	var want, all []string
	for _, id := range h.org.UserIDs() {
		all = append(all, id)
		if h.status(id) != "DEPROVISIONED" {
			want = append(want, id)
		}
	}
	got, pages := h.pages("/api/v1/users?limit=70", "#.id")
	same(t, "without filter or search", got, want)
	same(t, "pages", pages, (len(want)+69)/70)

	got, _ = h.pages("/api/v1/users?limit=100&search="+url.QueryEscape("status pr"), "#.id")
	same(t, "search shows deprovisioned users", got, all)
	got, _ = h.pages("/api/v1/users?filter="+url.QueryEscape(`status eq "DEPROVISIONED"`), "#.id")
	same(t, "filter shows deprovisioned users", len(got), len(all)-len(want))

	r := h.get("/api/v1/users?limit=1000")
	same(t, "limit is capped", len(r.strings("#.id")), 200)
	same(t, "self link", r.Header().Values("Link")[0], `<http://example.com/api/v1/users?limit=200>; rel="self"`)
	for _, bad := range []string{"limit=0", "limit=x", "after=200x", "after=2001uabc"} {
		h.want(h.get("/api/v1/users?"+bad), 400, "E0000001")
	}
}

func TestPageSize_OfTheConfiguration_Counts(t *testing.T) {
	h := newHarness(t, oktatest.Config{MaxPageSize: 3, Users: 10, Groups: 7, Events: 8})
	same(t, "users", len(h.get("/api/v1/users?limit=200").strings("#.id")), 3)
	same(t, "groups", len(h.get("/api/v1/groups").strings("#.id")), 3)
	same(t, "events", len(h.get("/api/v1/logs").strings("#.uuid")), 3)
}

func TestListUsers_WithQ_IsOnePage(t *testing.T) {
	h := newHarness(t, oktatest.Config{Users: 2000})
	r := h.get("/api/v1/users?q=a")
	same(t, "users", len(r.strings("#.id")), 10)
	same(t, "links", len(r.Header().Values("Link")), 0)
	same(t, "by last name", h.get("/api/v1/users?q=LOVEL").strings("#.profile.login"), "[ada.lovelace@example.com]")
}

func TestListUsers_FilterAndSearch_FindTheRightUsers(t *testing.T) {
	h := newHarness(t, oktatest.Config{Users: 60})
	ada := gjson.ParseBytes(first(h.org.User("ada.lovelace@example.com")))
	for _, c := range []struct {
		parameter, expression string
		code                  string // code of the refusal
		found                 func(user gjson.Result) bool
	}{
		{"filter", `profile.login eq "ada.lovelace@example.com"`, "", func(u gjson.Result) bool { return u.Get("id").Str == ada.Get("id").Str }},
		{"filter", `status eq "ACTIVE" or status eq "SUSPENDED"`, "", func(u gjson.Result) bool {
			return u.Get("status").Str == "ACTIVE" || u.Get("status").Str == "SUSPENDED"
		}},
		{"filter", `lastUpdated gt "` + ada.Get("lastUpdated").Str + `" and status eq "ACTIVE"`, "", func(u gjson.Result) bool {
			return u.Get("lastUpdated").Str > ada.Get("lastUpdated").Str && u.Get("status").Str == "ACTIVE"
		}},
		{"filter", `profile.login sw "ada"`, "E0000031", nil},
		{"filter", `profile.department eq "Sales"`, "E0000031", nil},
		{"search", `profile.department eq "sales"`, "", func(u gjson.Result) bool { return u.Get("profile.department").Str == "Sales" }},
		{"search", `profile.login sw "a" and (status eq "ACTIVE" or not_there pr)`, "E0000031", nil},
		{"search", `profile.login co "LOVE"`, "", func(u gjson.Result) bool { return strings.Contains(u.Get("profile.login").Str, "love") }},
		{"search", `profile.mobilePhone pr`, "", func(u gjson.Result) bool { return u.Get("profile.mobilePhone").Str != "" }},
		{"search", `(status eq "ACTIVE" or status eq "STAGED") and profile.employeeNumber ge "100030"`, "", func(u gjson.Result) bool {
			return slices.Contains([]string{"ACTIVE", "STAGED"}, u.Get("status").Str) && u.Get("profile.employeeNumber").Str >= "100030"
		}},
		{"search", `created lt "` + ada.Get("created").Str[:10] + `T00:00:00Z"`, "", func(u gjson.Result) bool {
			return u.Get("created").Str < ada.Get("created").Str[:10]
		}},
		{"search", `status ne "ACTIVE"`, "E0000031", nil},
		{"search", `status eq`, "E0000031", nil},
		{"search", `status eq "ACTIVE`, "E0000031", nil},
		{"search", `(status eq "ACTIVE"`, "E0000031", nil},
		{"search", `colour eq "red"`, "E0000031", nil},
	} {
		t.Run(c.parameter+" "+c.expression, func(t *testing.T) {
			target := "/api/v1/users?limit=25&" + c.parameter + "=" + url.QueryEscape(c.expression)
			if c.code != "" {
				h.want(h.get(target), 400, c.code)
				return
			}
			var want []string
			for _, id := range h.org.UserIDs() {
				if c.found(gjson.ParseBytes(first(h.org.User(id)))) {
					want = append(want, id)
				}
			}
			got, _ := h.pages(target, "#.id")
			same(t, "users", got, want)
			if len(want) == 0 {
				t.Error("the case finds no user and proves nothing")
			}
		})
	}
	h.want(h.get("/api/v1/users?search=status+pr&filter=status+pr"), 400, "E0000033")
}

func first[T any](value T, _ bool) T { return value }

func TestSearch_Sorted_IsSortedAcrossPages(t *testing.T) {
	h := newHarness(t, oktatest.Config{Users: 40})
	up, _ := h.pages("/api/v1/users?limit=7&search=status+pr&sortBy=profile.lastName", "#.profile.lastName")
	down, _ := h.pages("/api/v1/users?limit=7&search=status+pr&sortBy=profile.lastName&sortOrder=desc", "#.profile.lastName")
	same(t, "users", len(up), 40)
	if !slices.IsSortedFunc(up, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }) {
		t.Errorf("not sorted: %v", up)
	}
	slices.Reverse(down)
	same(t, "descending order", down, up)
	h.want(h.get("/api/v1/users?search=status+pr&sortBy=shoeSize"), 400, "E0000031")
	h.want(h.get("/api/v1/users?search=status+pr&sortBy=status&sortOrder=up"), 400, "E0000001")
}

func TestSearch_AfterAChange_LagsBehind(t *testing.T) {
	h := newHarness(t, oktatest.Config{SearchDelay: time.Second})
	search := func() []string {
		return h.get("/api/v1/users?search=" + url.QueryEscape(`profile.login sw "mira"`)).strings("#.profile.title")
	}
	h.clock.advance(time.Minute)
	id := h.post("/api/v1/users", newUser("mira@example.com", `,"title":"one"`)).get("id").Str
	same(t, "right after the creation", len(search()), 0)
	same(t, "read by id", h.get("/api/v1/users/"+id).get("profile.title").Str, "one")
	h.clock.advance(time.Second)
	same(t, "a second after the creation", search(), "[one]")
	h.post("/api/v1/users/"+id, `{"profile":{"title":"two"}}`)
	same(t, "right after the update", search(), "[one]")
	h.clock.advance(time.Second)
	same(t, "a second after the update", search(), "[two]")
	h.send(http.MethodDelete, "/api/v1/users/"+id, "")
	h.send(http.MethodDelete, "/api/v1/users/"+id, "")
	same(t, "right after the deletion", search(), "[two]")
	h.clock.advance(time.Second)
	same(t, "a second after the deletion", len(search()), 0)
}

func newUser(login, more string) string {
	return `{"profile":{"login":"` + login + `","email":"` + login + `","firstName":"Mira","lastName":"Solano"` + more + `}}`
}

func TestCreateUser_EachInput_HasItsResponse(t *testing.T) {
	h := newHarness(t, oktatest.Config{ProfileAttributes: []string{"badgeColour"}})
	group := gjson.GetBytes(h.org.Groups()[2], "id").Str
	withPassword := strings.TrimSuffix(newUser("p@example.com", ""), "}") + `,"credentials":{"password":{"value":"Long enough 1"},"recovery_question":{"question":"Why?","answer":"Because"}}}`
	for _, c := range []struct {
		name, query, body string
		status            int
		code, state       string
		cause             string
	}{
		{"without a password", "", newUser("a@example.com", ""), 200, "", "PROVISIONED", ""},
		{"not activated", "?activate=false", newUser("b@example.com", ""), 200, "", "STAGED", ""},
		{"with a password", "?activate=true", withPassword, 200, "", "ACTIVE", ""},
		{"to change the password", "?nextLogin=changePassword", strings.ReplaceAll(withPassword, "p@", "c@"), 200, "", "PASSWORD_EXPIRED", ""},
		{"with a custom attribute", "", newUser("d@example.com", `,"badgeColour":"teal"`), 200, "", "PROVISIONED", ""},
		{"in a group", "", `{"groupIds":["` + group + `"],` + newUser("e@example.com", "")[1:], 200, "", "PROVISIONED", ""},
		{"federated", "?provider=true", strings.TrimSuffix(newUser("f@example.com", ""), "}") + `,"credentials":{"provider":{"type":"FEDERATION","name":"FEDERATION"}}}`, 200, "", "ACTIVE", ""},
		{"with a login in use", "", newUser("Ada.Lovelace@example.com", ""), 400, "E0000001", "", "login: An object with this field already exists in the current organization"},
		{"with an unknown attribute", "", newUser("g@example.com", `,"shoeSize":"44"`), 400, "E0000001", "", "Property name 'shoeSize' is not defined in profile"},
		{"without a last name", "", `{"profile":{"login":"h@example.com","email":"h@example.com","firstName":"H"}}`, 400, "E0000001", "", "lastName: The field cannot be left blank"},
		{"with a login that is not an address", "", strings.Replace(newUser("h@example.com", ""), `"login":"h@example.com"`, `"login":"h"`, 1), 400, "E0000001", "", "login: Username must be in the form of an email address"},
		{"in an unknown group", "", `{"groupIds":["00gnowhere"],` + newUser("i@example.com", "")[1:], 404, "E0000007", "", ""},
		{"with a malformed body", "", `{"profile":`, 400, "E0000003", "", ""},
		{"with a body that is a list", "", `[]`, 400, "E0000003", "", ""},
		{"with a strange flag", "?activate=perhaps", newUser("j@example.com", ""), 400, "E0000001", "", ""},
		{"with a short password", "", strings.Replace(withPassword, "Long enough 1", "short", 1), 400, "E0000001", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, effects := h.org.EventCount(), h.org.Effects()
			r := h.post("/api/v1/users"+c.query, c.body)
			h.want(r, c.status, c.code)
			if c.cause != "" && !slices.Contains(r.strings("errorCauses.#.errorSummary"), c.cause) {
				t.Errorf("causes %q, want %q among them", r.strings("errorCauses.#.errorSummary"), c.cause)
			}
			if c.status != 200 {
				same(t, "events of a refusal", h.org.EventCount(), before)
				same(t, "effects of a refusal", h.org.Effects(), effects)
				return
			}
			same(t, "status", r.get("status").Str, c.state)
			same(t, "effects", h.org.Effects(), effects+1)
			if strings.Contains(r.body, "Long enough 1") || strings.Contains(r.body, "Because") {
				t.Error("the response has a secret")
			}
			same(t, "read back", h.get("/api/v1/users/"+r.get("id").Str).body, r.body)
			same(t, "first event", h.events(before)[0], "user.lifecycle.create")
			checkTransaction(t, h, before, r)
		})
	}
	same(t, "groups", h.get("/api/v1/users/e@example.com/groups").strings("#.id")[1:], []string{group})
}

// checkTransaction checks that events have the id of the request that caused them.
func checkTransaction(t *testing.T, h *harness, since int, r reply) {
	t.Helper()
	i := 0
	for e := range h.org.Events() {
		if i >= since {
			id := r.Header().Get("X-Okta-Request-Id")
			same(t, "transaction.id", gjson.GetBytes(e, "transaction.id").Str, id)
			same(t, "requestId", gjson.GetBytes(e, "debugContext.debugData.requestId").Str, id)
		}
		i++
	}
}

func TestUpdateUser_EachInput_HasItsResponse(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	const ada = "/api/v1/users/ada.lovelace@example.com"
	before := h.get(ada)
	etag := before.Header().Get("ETag")

	r := h.post(ada, `{"profile":{"title":"Countess","mobilePhone":null}}`)
	h.want(r, 200, "")
	same(t, "changed", r.get("profile.title").Str, "Countess")
	same(t, "removed", r.get("profile.mobilePhone").Raw, "null")
	same(t, "kept", r.get("profile.city").Raw, before.get("profile.city").Raw)
	same(t, "event", h.events(h.org.EventCount() - 1)[0], "user.account.update_profile")
	if r.Header().Get("ETag") == etag {
		t.Error("the ETag did not change")
	}
	effects := h.org.Effects()
	same(t, "the same again", h.post(ada, `{"profile":{"title":"Countess"}}`).body, r.body)
	same(t, "effects of the same again", h.org.Effects(), effects)

	h.want(h.send("POST", ada, `{"profile":{"title":"x"}}`, "If-Match", etag), 412, "E0000231")
	h.want(h.send("POST", ada, `{"profile":{"title":"x"}}`, "If-Match", r.Header().Get("ETag")), 200, "")
	h.want(h.post(ada, `{"profile":{"login":"alan.turing@example.com"}}`), 400, "E0000001")
	h.want(h.post(ada, `{"profile":{"lastName":null}}`), 400, "E0000001")
	h.want(h.post(ada, `nonsense`), 400, "E0000003")
	h.want(h.post("/api/v1/users/nobody", `{}`), 404, "E0000007")
	h.want(h.post("/api/v1/users/"+h.withStatus("DEPROVISIONED"), `{}`), 404, "E0000007")

	r = h.send("PUT", ada, `{"profile":{"title":"x"}}`)
	h.want(r, 400, "E0000001")
	if n := len(r.strings("errorCauses")); n != 5 {
		t.Errorf("%d causes of a PUT with one attribute, want 5", n)
	}
	r = h.send("PUT", ada, newUser("ada.byron@example.com", ""))
	h.want(r, 200, "")
	same(t, "replaced", r.get("profile.title").Exists(), false)
	h.want(h.get(ada), 404, "E0000007")
	h.want(h.get("/api/v1/users/ada.byron@example.com"), 200, "")

	r = h.post("/api/v1/users/ada.byron@example.com", `{"credentials":{"password":{"value":"Another secret 1"}}}`)
	h.want(r, 200, "")
	same(t, "event", h.events(h.org.EventCount() - 1)[0], "user.account.update_password")
}

func TestLifecycle_EachStatus_HasItsResponse(t *testing.T) {
	statuses := strings.Fields("STAGED PROVISIONED ACTIVE RECOVERY LOCKED_OUT PASSWORD_EXPIRED SUSPENDED DEPROVISIONED")
	type outcome struct {
		from, to string // statuses, space-separated; to is one
		event    string
	}
	for _, c := range []struct {
		action  string
		taken   []outcome
		refused int
		code    string
	}{
		{"activate?sendEmail=false", []outcome{{"STAGED DEPROVISIONED", "PROVISIONED", "user.lifecycle.activate"}}, 403, "E0000016"},
		{"reactivate", []outcome{{"PROVISIONED RECOVERY", "PROVISIONED", "user.lifecycle.reactivate"}}, 403, "E0000038"},
		{"deactivate", []outcome{{"STAGED PROVISIONED ACTIVE RECOVERY LOCKED_OUT PASSWORD_EXPIRED SUSPENDED", "DEPROVISIONED", "user.lifecycle.deactivate"}}, 404, "E0000007"},
		{"suspend", []outcome{{"ACTIVE PASSWORD_EXPIRED", "SUSPENDED", "user.lifecycle.suspend"}}, 400, "E0000001"},
		{"unsuspend", []outcome{{"SUSPENDED", "ACTIVE", "user.lifecycle.unsuspend"}}, 400, "E0000001"},
		{"unlock", []outcome{{"LOCKED_OUT", "ACTIVE", "user.account.unlock_by_admin"}}, 403, "E0000032"},
		{"expire_password", []outcome{{"ACTIVE RECOVERY LOCKED_OUT PASSWORD_EXPIRED", "PASSWORD_EXPIRED", "user.account.expire_password"}}, 403, "E0000038"},
		{"expire_password_with_temp_password", []outcome{{"ACTIVE RECOVERY LOCKED_OUT PASSWORD_EXPIRED", "PASSWORD_EXPIRED", "user.account.expire_password"}}, 403, "E0000038"},
		{"reset_password?sendEmail=false", []outcome{{"PROVISIONED ACTIVE RECOVERY LOCKED_OUT PASSWORD_EXPIRED", "RECOVERY", "user.account.reset_password"}}, 403, "E0000038"},
		{"reset_factors", []outcome{{"ACTIVE", "ACTIVE", "user.mfa.factor.reset_all"}, {"SUSPENDED", "SUSPENDED", "user.mfa.factor.reset_all"},
			{"PROVISIONED", "PROVISIONED", "user.mfa.factor.reset_all"}, {"RECOVERY", "RECOVERY", "user.mfa.factor.reset_all"},
			{"LOCKED_OUT", "LOCKED_OUT", "user.mfa.factor.reset_all"}, {"PASSWORD_EXPIRED", "PASSWORD_EXPIRED", "user.mfa.factor.reset_all"}}, 403, "E0000038"},
	} {
		for _, from := range statuses {
			t.Run(c.action+" from "+from, func(t *testing.T) {
				h := newHarness(t, oktatest.Config{Users: 11})
				id := h.withStatus(from)
				before := h.org.EventCount()
				r := h.post("/api/v1/users/"+id+"/lifecycle/"+c.action, "")
				at := slices.IndexFunc(c.taken, func(o outcome) bool { return slices.Contains(strings.Fields(o.from), from) })
				if at < 0 {
					h.want(r, c.refused, c.code)
					same(t, "status", h.status(id), from)
					same(t, "events", h.org.EventCount(), before)
					return
				}
				h.want(r, 200, "")
				same(t, "status", h.status(id), c.taken[at].to)
				same(t, "events", h.events(before), []string{c.taken[at].event})
				checkTransaction(t, h, before, r)
			})
		}
	}
}

func TestLifecycle_WithAndWithoutMail_HasItsBody(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	user := func(status string) string { return "/api/v1/users/" + h.withStatus(status) + "/lifecycle/" }
	same(t, "activate with mail", h.post(user("STAGED")+"activate", "").body, "{}")
	r := h.post(user("DEPROVISIONED")+"activate?sendEmail=false", "")
	if !strings.HasPrefix(r.get("activationUrl").Str, "http://example.com/welcome/") || r.get("activationToken").Str == "" {
		t.Errorf("activation without mail: %s", r.body)
	}
	same(t, "reset_password with mail", h.post(user("ACTIVE")+"reset_password?sendEmail=true", "").body, "{}")
	if r := h.post(user("ACTIVE")+"reset_password?sendEmail=false", ""); r.get("resetPasswordUrl").Str == "" {
		t.Errorf("reset without mail: %s", r.body)
	}
	if r := h.post(user("ACTIVE")+"expire_password_with_temp_password?revokeSessions=true", ""); r.get("tempPassword").Str == "" {
		t.Errorf("temporary password: %s", r.body)
	}
	h.want(h.post(user("ACTIVE")+"reset_password", ""), 400, "E0000028")
	h.want(h.post("/api/v1/users/nobody/lifecycle/suspend", ""), 404, "E0000007")
}

func TestUnsuspend_SuspendedUser_RestoresTheStatus(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	for _, status := range []string{"ACTIVE", "PASSWORD_EXPIRED"} {
		id := h.withStatus(status)
		h.want(h.post("/api/v1/users/"+id+"/lifecycle/suspend", ""), 200, "")
		h.want(h.post("/api/v1/users/"+id+"/lifecycle/unsuspend", ""), 200, "")
		same(t, "status", h.status(id), status)
	}
}

func TestDeleteUser_Active_NeedsTwoSteps(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	id := h.get("/api/v1/users/ada.lovelace@example.com").get("id").Str
	before := h.org.EventCount()
	h.want(h.send("DELETE", "/api/v1/users/"+id+"?sendEmail=false", ""), 204, "")
	same(t, "status", h.status(id), "DEPROVISIONED")
	h.want(h.send("DELETE", "/api/v1/users/"+id, ""), 204, "")
	h.want(h.send("DELETE", "/api/v1/users/"+id, ""), 404, "E0000007")
	h.want(h.get("/api/v1/users/"+id), 404, "E0000007")
	same(t, "events", h.events(before), "[user.lifecycle.deactivate user.lifecycle.delete.initiated user.lifecycle.delete.completed]")
	h.want(h.post("/api/v1/users", newUser("ada.lovelace@example.com", "")), 200, "")
}

func TestResponses_OfUsers_AreValidJSON(t *testing.T) {
	h := newHarness(t, oktatest.Config{Users: 300, Events: 300})
	for _, target := range []string{"/api/v1/users?search=status+pr&limit=200", "/api/v1/groups", "/api/v1/logs?limit=300", "/oauth2/v1/clients"} {
		if r := h.get(target); !json.Valid([]byte(r.body)) {
			t.Errorf("%s: invalid JSON", target)
		}
	}
}

func TestCreateUser_InvalidValue_IsRefusedOrIgnored(t *testing.T) {
	h := newHarness(t, oktatest.Config{ProfileAttributes: []string{"remote:boolean", "desk:integer", "tags:array", "size:S|M|L", "nick"}})
	with := func(login, credentials string) string {
		return strings.TrimSuffix(newUser(login, ""), "}") + `,"credentials":` + credentials + `}`
	}
	federation := `{"provider":{"type":"FEDERATION","name":"FEDERATION"}}`
	password := `{"password":{"value":"Long enough 1"}}`
	for i, c := range []struct {
		name, query, body string
		status            int
		code, state       string
		provider          string
	}{
		{"a provider without ?provider=true", "", with("a%d@example.com", federation), 200, "", "PROVISIONED", "OKTA"},
		{"a provider without its name", "?provider=true", with("a%d@example.com", `{"provider":{"type":"FEDERATION"}}`), 200, "", "PROVISIONED", "OKTA"},
		{"a provider", "?provider=true", with("a%d@example.com", federation), 200, "", "ACTIVE", "FEDERATION"},
		{"a directory", "?provider=true&activate=false", with("a%d@example.com", `{"provider":{"type":"ACTIVE_DIRECTORY","name":"corp.example.com"}}`), 200, "", "STAGED", "corp.example.com"},
		{"an unknown provider", "?provider=true", with("a%d@example.com", `{"provider":{"type":"MAGIC","name":"MAGIC"}}`), 400, "E0000001", "", ""},
		{"federated with a password", "?provider=true", with("a%d@example.com", `{"password":{"value":"Long enough 1"},`+federation[1:]), 400, "E0000001", "", ""},
		{"to change a missing password", "?nextLogin=changePassword", newUser("a%d@example.com", ""), 400, "E0000124", "", ""},
		{"to change a password, not activated", "?nextLogin=changePassword&activate=false", with("a%d@example.com", password), 400, "E0000125", "", ""},
		{"a password of lower-case letters", "", with("a%d@example.com", `{"password":{"value":"long enough 1"}}`), 400, "E0000001", "", ""},
		{"a password without a number", "", with("a%d@example.com", `{"password":{"value":"Long enough"}}`), 400, "E0000001", "", ""},
		{"a password that is too long", "", with("a%d@example.com", `{"password":{"value":"`+strings.Repeat("Ab1", 25)+`"}}`), 400, "E0000001", "", ""},
		{"a password with the login's name", "", with("solano.a%d@example.com", `{"password":{"value":"Solano1234"}}`), 400, "E0000001", "", ""},
		{"a password with the top-level domain", "", with("a%d@example.comx", `{"password":{"value":"Comx12345"}}`), 200, "", "ACTIVE", "OKTA"},
		{"a short answer", "", with("a%d@example.com", `{"recovery_question":{"question":"Why?","answer":"Oh"}}`), 400, "E0000001", "", ""},
		{"an unknown type", "", strings.Replace(newUser("a%d@example.com", ""), "{", `{"type":{"id":"otyNone"},`, 1), 400, "E0000001", "", ""},
		{"a boolean", "", newUser("a%d@example.com", `,"remote":true,"desk":7,"tags":["a"],"size":"M"`), 200, "", "PROVISIONED", "OKTA"},
		{"a string for a boolean", "", newUser("a%d@example.com", `,"remote":"true"`), 400, "E0000001", "", ""},
		{"a fraction for an integer", "", newUser("a%d@example.com", `,"desk":7.5`), 400, "E0000001", "", ""},
		{"a string for an array", "", newUser("a%d@example.com", `,"tags":"a"`), 400, "E0000001", "", ""},
		{"a value that is not one of the allowed ones", "", newUser("a%d@example.com", `,"size":"XL"`), 400, "E0000001", "", ""},
		{"a number for a string", "", newUser("a%d@example.com", `,"title":5`), 400, "E0000001", "", ""},
		{"a country of three letters", "", newUser("a%d@example.com", `,"countryCode":"USA"`), 400, "E0000001", "", ""},
		{"a city of 129 letters", "", newUser("a%d@example.com", `,"city":"`+strings.Repeat("x", 129)+`"`), 400, "E0000001", "", ""},
		{"an invalid e-mail address", "", newUser("a%d@example.com", `,"secondEmail":"somewhere"`), 400, "E0000001", "", ""},
		{"a locale in words", "", newUser("a%d@example.com", `,"locale":"English (US)"`), 400, "E0000001", "", ""},
		{"a strange provider flag", "?provider=perhaps", newUser("a%d@example.com", ""), 400, "E0000001", "", ""},
	} {
		r := h.post("/api/v1/users"+c.query, strings.ReplaceAll(c.body, "%d", strconv.Itoa(i)))
		if r.Code != c.status || r.code() != c.code || r.get("status").Str != c.state || r.get("credentials.provider.name").Str != c.provider {
			t.Errorf("%s: %d %.400s", c.name, r.Code, r.body)
		}
	}
}

func TestUpdateUser_Provider_IsIgnored(t *testing.T) {
	watch := oktatest.Watch // Okta's document declares the provider readOnly, so Watch would reject the request
	oktatest.Watch = nil
	h := newHarness(t, oktatest.Config{})
	oktatest.Watch = watch
	const alan = "/api/v1/users/alan.turing@example.com"
	effects := h.org.Effects()
	r := send(h.org, h.org, "POST", alan, `{"credentials":{"provider":{"type":"FEDERATION","name":"FEDERATION"}}}`)
	h.want(r, 200, "")
	same(t, "provider", r.get("credentials.provider.type").Str, "OKTA")
	same(t, "effects", h.org.Effects(), effects)
}

func TestUserType_ByPut_Changes(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	const alan = "/api/v1/users/alan.turing@example.com"
	types := h.get("/api/v1/meta/types/user").strings("#.id")
	same(t, "type", h.get("/api/v1/meta/types/user/"+types[1]).get("id").Str, types[1])
	h.want(h.get("/api/v1/meta/types/user/otyNone"), 404, "E0000007")
	profile := h.get(alan).get("profile").Raw
	body := `{"profile":` + profile + `,"type":{"id":"` + types[1] + `"}}`
	same(t, "by POST", h.post(alan, body).get("type.id").Str, types[0])
	same(t, "by PUT", h.send("PUT", alan, body).get("type.id").Str, types[1])
	h.want(h.send("PUT", alan, `{"profile":`+profile+`,"type":{"id":"otyNone"}}`), 400, "E0000001")
}

func TestPassword_AgainstThePolicy_IsRefused(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	const policy, ada = "/api/v1/policies/00po1df5wPpmRq0NcwkO", "/api/v1/users/ada.lovelace@example.com"
	set := func(password string) int {
		return h.post(ada, `{"credentials":{"password":{"value":"`+password+`"}}}`).Code
	}
	same(t, "8 characters", set("Abcd1234"), 200)
	h.want(h.send("PUT", policy, h.replaced(policy, "settings.password.complexity.minLength", "14", "settings.password.complexity.minSymbol", "1",
		"settings.password.complexity.excludeAttributes", `["firstName"]`)), 200, "")
	same(t, "8 characters of 14", set("Abcd1234"), 400)
	same(t, "no symbol", set("Abcd1234Abcd1234"), 400)
	same(t, "the first name", set("Abcd1234!xADAx"), 400)
	same(t, "a valid password", set("Abcd1234!Abcd1234"), 200)
}

func TestRealm_ByID_IsSet(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	const alan = "/api/v1/users/alan.turing@example.com"
	realms := h.get("/api/v1/realms").strings("#.id")
	same(t, "realms", realms, h.org.Realms())
	h.want(h.get("/api/v1/realms/"+realms[1]), 200, "")
	same(t, "at first", h.get(alan).get("realmId").Exists(), false)
	r := h.post(alan, `{"realmId":"`+realms[1]+`"}`)
	same(t, "by POST", r.get("realmId").Str, realms[1])
	h.want(h.post(alan, `{"realmId":"guoNone"}`), 400, "E0000001")
	created := h.post("/api/v1/users", strings.Replace(newUser("realm@example.com", ""), "{", `{"realmId":"`+realms[1]+`",`, 1))
	same(t, "on creation", created.get("realmId").Str, realms[1])
}
