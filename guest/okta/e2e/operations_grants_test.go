package e2e_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

var updateEffects = flag.Bool("update", false, "write the table of effects into docs/security.md")

// effects are what a hostile module may reach, in the order of the table.
var effects = []string{
	"makes an administrator, through a role or a group with one",
	"revokes a role, or removes a member of a group with one",
	"gets a link or password that signs in as another user",
	"sets another user's password",
	"changes another user's login, e-mail or department",
	"stops a user from signing in",
	"ends sessions, or removes factors",
	"changes who has an application",
	"changes sign-on policies or network zones",
	"suspends or removes devices",
	"switches group rules on or off, or makes them invalid",
	"changes another user's type",
	"revokes what another user granted to applications",
	"changes what a role is for: its groups or applications",
	"sees a secret that Okta returns",
}

// siege is an org with objects that are worth an attack.
type siege struct {
	org                                  *oktatest.Org
	admin, mallory, staged, invited      string // users: an administrator, the attacker, one that is not active yet, and one that must accept
	powerful, byRule, plain              string // groups: with a role, filled by a rule, and without
	department                           string // what the rule looks for
	app, device, policy, zone, authority string
	client                               string
	scoped, appName                      string // a user with a role for some groups, and the name of the app in the catalogue
	granting                             string // a user who granted scopes to client
	policyRule, groupRule, userType      string // a rule of the policy that is not its default rule; a rule that fills byRule
}

func (s *siege) api(t *testing.T, method, path, body string) gjson.Result {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "SSWS "+s.org.Token())
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()
	s.org.ServeHTTP(w, r)
	if w.Code >= 300 {
		t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return gjson.ParseBytes(w.Body.Bytes())
}

func newSiege(t *testing.T) *siege {
	t.Helper()
	s := &siege{org: oktatest.New(oktatest.Config{GroupRules: 1})}
	user := func(login, query, more string) string {
		return s.api(t, "POST", "/api/v1/users"+query, `{"profile":{"login":"`+login+`","email":"`+login+`","firstName":"M","lastName":"M"}`+more+`}`).Get("id").String()
	}
	group := func(name string) string {
		return s.api(t, "POST", "/api/v1/groups", `{"profile":{"name":"`+name+`"}}`).Get("id").String()
	}
	s.admin, s.mallory, s.staged = s.org.UserIDs()[0], user("mallory@example.com", "", `,"credentials":{"password":{"value":"Correct horse battery 9"}}`), user("staged@example.com", "?activate=false", "")
	s.granting = s.org.UserIDs()[1]
	s.invited = user("invited@example.com", "?activate=true", "")
	s.powerful, s.plain = group("Powerful"), group("Plain")
	rule := gjson.ParseBytes(s.org.GroupRules()[0])
	s.byRule = rule.Get("actions.assignUserToGroups.groupIds.0").String()
	s.department = regexp.MustCompile(`"([^"]*)"$`).FindStringSubmatch(rule.Get("conditions.expression.value").String())[1]
	s.api(t, "POST", "/api/v1/groups/"+s.powerful+"/roles", `{"type":"SUPER_ADMIN"}`) // Okta refuses a role for a group that a rule fills
	s.api(t, "PUT", "/api/v1/groups/"+s.powerful+"/users/"+s.admin, "")
	first := func(all []json.RawMessage, member string) string { return gjson.GetBytes(all[0], member).String() }
	s.app, s.device, s.zone = first(s.org.Applications(), "id"), first(s.org.Devices(), "id"), first(s.org.Zones(), "id")
	s.appName, s.scoped = first(s.org.Applications(), "name"), user("scoped@example.com", "", "")
	role := s.api(t, "POST", "/api/v1/users/"+s.scoped+"/roles", `{"type":"HELP_DESK_ADMIN"}`).Get("id").String()
	for _, id := range []string{s.byRule, s.plain} {
		s.api(t, "PUT", "/api/v1/users/"+s.scoped+"/roles/"+role+"/targets/groups/"+id, "")
	}
	policies := s.org.Policies()
	s.policy = gjson.GetBytes(policies[slices.IndexFunc(policies, func(p json.RawMessage) bool { return !gjson.GetBytes(p, "system").Bool() })], "id").String()
	s.policyRule, s.groupRule, s.userType = first(s.org.PolicyRules(s.policy), "id"), rule.Get("id").String(), s.org.UserTypes()[1]
	s.authority, s.client = first(s.org.AuthorizationServers(), "id"), first(s.org.Clients(), "client_id")
	s.api(t, "POST", "/api/v1/apps/"+s.app+"/users", `{"id":"`+s.mallory+`","scope":"USER"}`)
	return s
}

// values returns what a hostile module puts into a blank.
func (s *siege) values(endpoint, blank string) []string {
	role := func(id string) string {
		if roles := s.org.AssignedRoles(id); len(roles) > 0 {
			return gjson.GetBytes(roles[0], "id").String()
		}
		return "none"
	}
	switch blank {
	case "id", "userId":
		return []string{s.mallory, s.admin, s.staged, s.invited, s.granting, s.scoped}
	case "groupId":
		return []string{s.powerful, s.byRule, s.plain, s.powerful + "/roles", s.powerful + "/users/" + s.mallory}
	case "factorId":
		var all []string
		for _, f := range s.org.Factors(s.admin) {
			all = append(all, gjson.GetBytes(f, "id").String())
		}
		return all
	case "sessionId":
		return append(s.org.SignIns(s.admin).Sessions, "me")
	case "roleAssignmentId":
		return []string{role(s.admin), role(s.powerful), role(s.client), role(s.scoped)}
	}
	return map[string][]string{"appId": {s.app}, "deviceId": {s.device}, "policyId": {s.policy}, "zoneId": {s.zone}, "authServerId": {s.authority},
		"clientId": {s.client}, "targetGroupId": {s.plain, s.byRule}, "appName": {s.appName}, "ruleId": {s.policyRule}, "groupRuleId": {s.groupRule}, "roleIdOrLabel": {"SUPER_ADMIN"}}[blank]
}

// bodies returns what a hostile module sends.
func (s *siege) bodies(e abi.Endpoint) []string {
	switch template := e.Template(); {
	case e.Method() == http.MethodGet || e.Method() == http.MethodDelete:
		return []string{""}
	case template == "/api/v1/users":
		var all []string
		for i, more := range []string{``, `,"groupIds":["` + s.powerful + `"]`, `,"GroupIds":["` + s.powerful + `"]`} {
			for j, profile := range []string{``, `,"department":"` + s.department + `"`} {
				login := fmt.Sprintf(`new%d%d@example.com`, i, j)
				all = append(all, `{"profile":{"login":"`+login+`","email":"`+login+`","firstName":"M","lastName":"M"`+profile+`},"credentials":{"password":{"value":"Correct horse battery 9"}}`+more+`}`)
			}
		}
		return all
	case template == "/api/v1/users/{id}":
		profile := `"login":"m%d@example.com","email":"m%d@example.com","firstName":"M","lastName":"M"`
		var all []string
		for i, more := range []string{`},"type":{"id":"` + s.userType + `"}`, `},"credentials":{"password":{"value":"Another horse battery 8"}}`, `},"Credentials":{"password":{"value":"Another horse battery 8"}}`,
			`},"credentials":{"recovery_question":{"question":"Who?","answer":"mallory"}}`, `}`, `,"department":"` + s.department + `"}`} {
			all = append(all, `{"profile":{`+fmt.Sprintf(profile, i, i)+more+`}`)
		}
		return all
	case strings.HasSuffix(template, "/roles"):
		return []string{`{"type":"SUPER_ADMIN"}`, `{"type":"READ_ONLY_ADMIN"}`}
	case strings.HasPrefix(template, "/api/v1/apps/"):
		return []string{`{"id":"` + s.mallory + `","scope":"USER"}`, `{"scope":"GROUP"}`, `{}`, ``}
	case strings.HasSuffix(template, "/policies/{policyId}"):
		for _, p := range s.org.Policies() {
			if gjson.GetBytes(p, "id").String() == s.policy {
				return []string{fmt.Sprintf(`{"type":%s,"name":%s,"conditions":%s,"description":"changed"}`, gjson.GetBytes(p, "type").Raw, gjson.GetBytes(p, "name").Raw, gjson.GetBytes(p, "conditions").Raw)}
			}
		}
	case strings.HasSuffix(template, "/zones/{zoneId}"):
		return []string{`{"type":"IP","name":"LegacyIpZone","status":"ACTIVE","usage":"POLICY","gateways":[{"type":"CIDR","value":"203.0.113.0/24"}]}`}
	case template == "/api/v1/zones":
		return []string{`{"type":"IP","name":"Mallory","usage":"BLOCKLIST","gateways":[{"type":"CIDR","value":"0.0.0.0/0"}]}`, `{"type":"IP","name":"Mallory 2","gateways":[{"type":"CIDR","value":"203.0.113.0/24"}]}`}
	case template == "/api/v1/groups", template == "/api/v1/groups/{groupId}":
		return []string{`{"profile":{"name":"Renamed"}}`}
	}
	return []string{``}
}

// requests returns what a hostile module sends to an endpoint: every blank, query and body together.
func (s *siege) requests(t *testing.T, e abi.Endpoint) (texts []string) {
	t.Helper()
	paths := []map[string]string{{}}
	for segment := range strings.SplitSeq(e.Template(), "/") {
		name, blank := abi.Blank(segment)
		if !blank {
			continue
		}
		var more []map[string]string
		for _, v := range s.values(e.Endpoint, name) {
			for _, p := range paths {
				p = maps.Clone(p)
				p[name] = v
				more = append(more, p)
			}
		}
		paths = more
	}
	var queries [][][2]string
	for _, name := range e.Query {
		if e.Method() == http.MethodGet || strings.HasPrefix(e.Template(), "/oauth2/") {
			break // a query of a read changes nothing, and Okta documents none for a client's roles
		}
		queries = append(queries, [][2]string{{name, "false"}}, [][2]string{{name, "true"}}) // without an e-mail, the answer has the link
	}
	queries = append(queries, nil)
	if e.Method() != http.MethodGet {
		queries = append(queries, [][2]string{{"_method", "DELETE"}}) // the host refuses it
	}
	for _, path := range paths {
		for _, query := range queries {
			for _, body := range s.bodies(e) {
				request := map[string]any{"endpoint": e.Endpoint, "sign": true}
				if len(path) > 0 {
					request["path"] = path
				}
				if query != nil {
					request["query"] = query
				}
				if body != "" {
					request["body"] = json.RawMessage(body)
				}
				text, err := json.Marshal(request)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, string(text))
			}
		}
	}
	return texts
}

// standing is what an attack may change.
type standing struct {
	roles, status, profiles, types, signIns, factors, targets map[string]string
	grants                                                    map[string]int
	groupRules, members, rules, devices                       string // members of the group with a role
}

func (s *siege) standing() standing {
	n := standing{roles: map[string]string{}, status: map[string]string{}, profiles: map[string]string{}, types: map[string]string{}, grants: map[string]int{}, targets: map[string]string{}, signIns: map[string]string{}, factors: map[string]string{}}
	for _, id := range s.org.UserIDs() {
		user, _ := s.org.User(id)
		u := gjson.ParseBytes(user)
		n.status[id], n.profiles[id] = u.Get("status").String(), u.Get("profile.login").String()+u.Get("profile.email").String()+u.Get("profile.department").String()
		n.grants[id] = len(s.org.Grants(id))
		n.types[id] = u.Get("type.id").String()
		n.roles[id] = fmt.Sprintf("%s", s.org.AssignedRoles(id))
		n.signIns[id], n.factors[id] = fmt.Sprint(s.org.SignIns(id)), fmt.Sprint(len(s.org.Factors(id)))
	}
	for _, id := range []string{s.powerful, s.client} {
		n.roles[id] = fmt.Sprintf("%s", s.org.AssignedRoles(id))
	}
	n.members = strings.Join(s.org.Members(s.powerful), " ")
	n.rules, n.devices = fmt.Sprintf("%s%s%s", s.org.Policies(), s.org.PolicyRules(s.policy), s.org.Zones()), fmt.Sprintf("%s", s.org.Devices())
	for _, id := range []string{s.scoped, s.powerful, s.client} {
		for _, role := range s.org.AssignedRoles(id) {
			role := gjson.GetBytes(role, "id").String()
			n.targets[id+" "+role] = fmt.Sprint(s.org.Targets(id, role))
		}
	}
	n.groupRules = fmt.Sprintf("%s", s.org.GroupRules())
	return n
}

var (
	accessMembers = regexp.MustCompile(`"(?:activationUrl|activationToken|resetPasswordUrl|recoveryToken|tempPassword)" ?: ?"[^"*]`)
	secretMembers = regexp.MustCompile(`"(?:client_secret|registration_access_token|sharedSecret|secretKey)" ?: ?"[^"*]`)
)

// judge returns the effects of a call.
func (s *siege) judge(before, after standing, answers []gjson.Result) map[string]bool {
	found := map[string]bool{}
	is := func(n int, holds bool) {
		if holds {
			found[effects[n]] = true
		}
	}
	for id, was := range before.roles {
		now := after.roles[id]
		is(0, len(now) > len(was))
		is(1, len(now) < len(was))
	}
	for id, now := range after.roles {
		if _, old := before.roles[id]; !old { // a new user
			is(0, now != "[]")
		}
	}
	for id := range strings.FieldsSeq(after.members) {
		is(0, !strings.Contains(before.members, id))
	}
	for id := range strings.FieldsSeq(before.members) {
		is(1, !strings.Contains(after.members, id))
	}
	for id, was := range before.status {
		now, there := after.status[id]
		is(5, !there || was == "ACTIVE" && now != "ACTIVE" || was != now && now == "DEPROVISIONED")
		is(4, there && id != s.mallory && before.profiles[id] != after.profiles[id])
		is(12, there && id != s.mallory && before.grants[id] > after.grants[id])
		is(11, there && id != s.mallory && before.types[id] != after.types[id])
		is(6, there && (before.signIns[id] != after.signIns[id] || before.factors[id] > after.factors[id]))
	}
	is(8, before.rules != after.rules)
	is(9, before.devices != after.devices)
	for role, was := range before.targets {
		now, there := after.targets[role]
		is(13, there && now != was)
	}
	is(10, before.groupRules != after.groupRules)
	for _, a := range answers {
		body := a.Get("body").String()
		is(2, accessMembers.MatchString(body))
		is(14, secretMembers.MatchString(body))
	}
	return found
}

// besiege makes a module with the connector's manifest send everything that an operation's endpoints take, with the given grants,
// and returns the effects.
func besiege(t *testing.T, module *host.Module, op *abi.Operation, grants []abi.Class) map[string]bool {
	t.Helper()
	inputs := []string{""}
	for _, r := range op.ClassRules {
		value := `"` + r.Equals + `"`
		if r.Equals == "" || r.Equals == "true" {
			value = "true"
		}
		inputs = append(inputs, `,"`+r.Field+`":`+value)
	}
	if i := slices.IndexFunc(op.ClassRules, func(r abi.ClassRule) bool { return r.Field == "action" }); i >= 0 {
		inputs = append(inputs, `,"action":"deactivate"`)
	}
	found := map[string]bool{}
	for _, input := range inputs {
		for n := range len(op.Endpoints) + 1 { // each endpoint alone, and all together
			s := newSiege(t)
			var texts []string
			for i, e := range op.Endpoints {
				if i == n || n == len(op.Endpoints) {
					texts = append(texts, s.requests(t, e)...)
				}
			}
			before, setup := s.standing(), len(s.org.Requests())
			conn := hosttest.Serve(t, module, withToken(s.org), host.Config{Grants: grants}, host.ConnectOptions{Sleep: hosttest.ShortSleep})
			var answers []gjson.Result
			for _, text := range texts { // a refusal ends a call
				one, err := json.Marshal([]string{text})
				if err != nil {
					t.Fatal(err)
				}
				res, _ := conn.Invoke(context.Background(), op.Name, json.RawMessage(`{"do":"send","texts":`+string(one)+input+`}`))
				answers = append(answers, gjson.GetBytes(res.Output, "answers.0"))
			}
			for e := range s.judge(before, s.standing(), answers) {
				found[e] = true
			}
			for _, r := range s.org.Requests()[setup:] { // the state does not show these
				accepted := r.Status < 300 && r.Method != http.MethodGet && strings.Contains(r.Path, "/api/v1/")
				if accepted && strings.Contains(r.Path, "/apps/") {
					found[effects[7]] = true
				}
				if accepted && strings.Contains(string(r.Body), "Another horse") && strings.HasSuffix(r.Path, s.admin) {
					found[effects[3]] = true
				}
			}
		}
	}
	return found
}

const effectsMark = "<!-- effects: go test ./guest/okta/e2e -run TestEffects -update -->\n"

// TestEffects_OfEachGrant_AreThoseInTheDocument attacks the shipped manifest: with each grant alone, a module sends every request that
// its endpoints allow, and the simulated org judges. A grant together with read must allow nothing more than the two alone.
func TestEffects_OfEachGrant_AreThoseInTheDocument(t *testing.T) {
	if testing.Short() {
		t.Skip("sends tens of thousands of requests")
	}
	var m abi.Manifest
	if err := json.Unmarshal(okta.Manifest(), &m); err != nil {
		t.Fatal(err)
	}
	module := hosttest.Package("./host/testdata/hostile", driven(t, m), host.LoadOptions{}).Load(t)
	sets := [][]abi.Class{{abi.Read}, {abi.Write}, {abi.Destructive}, {abi.Privileged}, {abi.Read, abi.Write}, {abi.Read, abi.Destructive}, {abi.Read, abi.Privileged}}
	cells := map[string][]string{} // effect and grants → operations
	for i := range m.Operations {
		op := &m.Operations[i]
		for _, grants := range sets {
			if !slices.ContainsFunc(op.Classes(), func(c abi.Class) bool { return slices.Contains(grants, c) }) {
				continue // the host refuses every call
			}
			for e := range besiege(t, module, op, grants) {
				key := e + fmt.Sprint(grants)
				cells[key] = append(cells[key], "`"+op.Name+"`")
			}
		}
	}
	var b strings.Builder
	b.WriteString("| a module that is hostile | `read` | `write` | `destructive` | `privileged` |\n|---|---|---|---|---|\n")
	for _, e := range effects {
		b.WriteString("| " + e)
		for _, grants := range sets[:4] {
			text := strings.Join(cells[e+fmt.Sprint(grants)], ", ")
			if text == "" {
				text = "–"
			}
			b.WriteString(" | " + text)
		}
		b.WriteString(" |\n")
		for _, grants := range sets[4:] {
			alone := slices.Concat(cells[e+fmt.Sprint(grants[:1])], cells[e+fmt.Sprint(grants[1:])])
			for _, op := range cells[e+fmt.Sprint(grants)] {
				if !slices.Contains(alone, op) {
					t.Errorf("%s: %s does this with the grants %v, and with neither alone", e, op, grants)
				}
			}
		}
	}
	const file = "../../../docs/security.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin, rest, ok := strings.Cut(string(text), effectsMark)
	_, end, closed := strings.Cut(rest, "<!-- end -->\n")
	if !ok || !closed {
		t.Fatalf("%s lacks the table between %s and <!-- end -->", file, effectsMark)
	}
	want := begin + effectsMark + "\n" + b.String() + "\n<!-- end -->\n" + end
	if want == string(text) {
		return
	}
	if !*updateEffects {
		t.Fatalf("the table in %s is stale: go test ./guest/okta/e2e -run TestEffects -update\n%s", file, &b)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
