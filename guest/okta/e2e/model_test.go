package e2e_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/hosttest"
)

var (
	modelSeed = flag.Uint64("model.seed", 1, "seed of the first sequence of TestWrites_RandomSequences_AgreeWithAModel")
	modelRuns = flag.Int("model.runs", 20, "how many sequences TestWrites_RandomSequences_AgreeWithAModel runs without faults; with faults it runs twice as many shorter ones")
)

// Targets of the sequences. The first logins are those of seeded users, at least one of each status.
var (
	modelNew     = []string{"p0@example.com", "p1@example.com"}
	modelGroups  = []string{"Engineering", "IT Operations", "Équipe Ventes", "P0", "P1"}
	modelRoles   = []string{"HELP_DESK_ADMIN", "APP_ADMIN"}
	modelZones   = []string{"Z0", "Z1"}
	modelEntries = []string{"192.0.2.7", "198.51.100.0/24", "198.51.100.9", "203.0.113.1-203.0.113.9"}
)

// state is the part of an org that the sequences change. Both the model and a read of the org return it.
type state struct {
	Users    map[string]*userFacts  // by login
	Groups   map[string]*groupFacts // by name
	Devices  map[string]string      // status by id
	Switched map[string]string      // status of policies, rules and zones by id
	Fixed    []string               // those of them that are always ACTIVE
	NewType  string                 // the type of a new user
	Targets  []string               // groups that the one role is for, by id; empty means all
	Gateways,
	Policy string // those of one zone, and the description of one policy
}

type userFacts struct {
	Status, Title, Type, App string // App is the scope of the assignment to the one application
	Sessions, Grants         bool
	Factors, Groups          []string
	Roles                    []string // direct roles
}

type groupFacts struct {
	Description string
	App         bool
	Lately      bool // a member changed within the time that a list may lag behind
	Roles       []string
}

func (s *state) String() string {
	for _, u := range s.Users {
		slices.Sort(u.Groups)
		slices.Sort(u.Roles)
		slices.Sort(u.Factors)
	}
	for _, g := range s.Groups {
		slices.Sort(g.Roles)
	}
	text, _ := json.MarshalIndent(s, "", " ")
	return strings.ReplaceAll(string(text), "null", "[]")
}

func (s *state) clone() *state {
	c := &state{Users: map[string]*userFacts{}, Groups: map[string]*groupFacts{}, Devices: maps.Clone(s.Devices), Switched: maps.Clone(s.Switched), Fixed: s.Fixed, NewType: s.NewType, Targets: slices.Clone(s.Targets), Gateways: s.Gateways, Policy: s.Policy}
	for k, v := range s.Users {
		u := *v
		u.Groups, u.Roles, u.Factors = slices.Clone(u.Groups), slices.Clone(u.Roles), slices.Clone(u.Factors)
		c.Users[k] = &u
	}
	for k, v := range s.Groups {
		g := *v
		g.Roles = slices.Clone(g.Roles)
		c.Groups[k] = &g
	}
	return c
}

// modelOrg is an org, and the ids that a sequence needs.
type modelOrg struct {
	world
	seen              *tally
	logins            []string
	app, zone, policy string
	devices           []string
	helper            string              // a user with a role
	targets           []string            // groups that the role can be for
	switched          map[string][]string // operation → inputs without the action
}

func newModelOrg(t *testing.T) *modelOrg {
	o := &modelOrg{world: caseWorld(t, nil), seen: &tally{counts: map[string]map[abi.Outcome]int{}}}
	seen := map[string]int{}
	for _, id := range o.org.UserIDs()[1:] { // without the token's owner
		u, _ := o.org.User(id)
		status := get(t, u, "status")
		if seen[status]++; seen[status] == 1 || status == "ACTIVE" && seen[status] < 4 {
			o.logins = append(o.logins, get(t, u, "profile", "login"))
		}
	}
	o.logins = append(o.logins, modelNew...)
	o.app, o.zone, o.policy = o.fill(t, "<app 0>"), o.fill(t, "<zone BlockedIpZone>"), o.fill(t, "<policy PASSWORD>")
	for _, status := range []string{"ACTIVE", "SUSPENDED", "DEACTIVATED", "CREATED"} {
		o.devices = append(o.devices, o.fill(t, "<device "+status+">"))
	}
	o.helper = o.post(t, "/api/v1/users", `{"profile":{"login":"helper@example.com","email":"helper@example.com","firstName":"H","lastName":"H"}}`).Get("id").Str
	o.post(t, "/api/v1/users/"+o.helper+"/roles", `{"type":"HELP_DESK_ADMIN"}`)
	for _, name := range []string{"T0", "T1"} {
		o.targets = append(o.targets, o.post(t, "/api/v1/groups", `{"profile":{"name":"`+name+`"}}`).Get("id").Str)
	}
	o.switched = map[string][]string{
		"policy_lifecycle_action":      {`"policy":"` + o.fill(t, "<policy of contractors>") + `"`, `"policy":"` + o.policy + `"`, `"policy":"00pnosuchpolicy00000"`},
		"policy_rule_lifecycle_action": {o.fill(t, `"policy":"<policy of contractors>","rule":"<policy rule>"`), o.fill(t, `"policy":"<policy PASSWORD>","rule":"<default policy rule>"`)},
		"group_rule_lifecycle_action":  {`"rule":"` + o.groupRule(t, "", o.post(t, "/api/v1/groups", `{"profile":{"name":"Ruled"}}`).Get("id").Str) + `"`},
		"zone_lifecycle_action":        {`"zone":"` + o.fill(t, "<zone Offices>") + `"`, `"zone":"` + o.fill(t, "<zone DefaultExemptIpZone>") + `"`},
	}
	return o
}

// read reads from the org directly, without the connector.
func (o *modelOrg) read(path string) gjson.Result {
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Authorization", "SSWS "+o.org.Token())
	w := httptest.NewRecorder()
	o.org.ServeHTTP(w, r)
	if w.Code != 200 {
		return gjson.Result{}
	}
	return gjson.Parse(w.Body.String())
}

// look returns the org's state.
func (o *modelOrg) look() *state {
	s := &state{Users: map[string]*userFacts{}, Groups: map[string]*groupFacts{}, Devices: map[string]string{}, Switched: map[string]string{}, NewType: o.org.UserTypes()[0]}
	ids := map[string]string{}
	own := func(id, kind string) (roles []string) {
		for _, r := range o.org.AssignedRoles(id) {
			if gjson.GetBytes(r, "assignmentType").Str == kind {
				roles = append(roles, gjson.GetBytes(r, "type").Str)
			}
		}
		return roles
	}
	status := func(objects []json.RawMessage) {
		for _, text := range objects {
			object := gjson.ParseBytes(text)
			if name := object.Get("name").Str; slices.Contains(modelZones, name) { // they are created, so their ids are not known before
				s.Switched[name] = object.Get("status").Str
				continue
			}
			s.Switched[object.Get("id").Str] = object.Get("status").Str
			if name := object.Get("name").Str; name == "DefaultExemptIpZone" || object.Get("system").Bool() && object.Get("usage").Str == "" {
				s.Fixed = append(s.Fixed, object.Get("id").Str)
			}
		}
	}
	status(o.org.Policies())
	status(o.org.Zones())
	status(o.org.GroupRules())
	for _, id := range slices.Sorted(maps.Keys(s.Switched)) {
		status(o.org.PolicyRules(id))
	}
	for _, text := range o.org.Groups() {
		g := gjson.ParseBytes(text)
		name, id := g.Get("profile.name").Str, g.Get("id").Str
		if !slices.Contains(modelGroups, name) {
			continue
		}
		ids[id] = name
		s.Groups[name] = &groupFacts{Description: g.Get("profile.description").Str, Roles: own(id, "GROUP"),
			App: o.read("/api/v1/apps/" + o.app + "/groups/" + id).Exists(), Lately: !g.Get("lastMembershipUpdated").Time().Before(stillAt())}
	}
	for _, login := range o.logins {
		text, ok := o.org.User(login)
		if !ok {
			continue
		}
		u := gjson.ParseBytes(text)
		id := u.Get("id").Str
		f := &userFacts{Status: u.Get("status").Str, Title: u.Get("profile.title").Str, Type: u.Get("type.id").Str, Sessions: len(o.org.SignIns(id).Sessions) > 0, Grants: len(o.org.Grants(id)) > 0,
			App: o.read("/api/v1/apps/" + o.app + "/users/" + id).Get("scope").Str, Roles: own(id, "USER")}
		for _, factor := range o.org.Factors(id) {
			f.Factors = append(f.Factors, gjson.GetBytes(factor, "factorType").Str)
		}
		for _, g := range o.read("/api/v1/users/" + id + "/groups").Array() {
			if name := ids[g.Get("id").Str]; name != "" {
				f.Groups = append(f.Groups, name)
			}
		}
		s.Users[login] = f
	}
	for _, id := range o.devices {
		if d, ok := o.org.Device(id); ok {
			s.Devices[id] = gjson.GetBytes(d, "status").Str
		}
	}
	var entries []string
	for _, e := range o.read("/api/v1/zones/" + o.zone).Get("gateways.#.value").Array() {
		entries = append(entries, e.Str)
	}
	slices.Sort(entries)
	s.Gateways = strings.Join(entries, " ")
	s.Targets = o.org.Targets(o.helper, gjson.GetBytes(o.org.AssignedRoles(o.helper)[0], "id").Str)
	slices.Sort(s.Targets)
	s.Policy = o.read("/api/v1/policies/" + o.policy).Get("description").Str
	return s
}

// step is one write of a sequence.
type step struct {
	op, on, with string // "update_user", its target, and details
	fault        *oktatest.Fault
}

func (s step) String() string {
	text := s.op + " " + s.on
	if s.with != "" {
		text += " " + s.with
	}
	if s.fault != nil {
		text += fmt.Sprintf(" (%s %s)", s.fault.Kind, s.fault.Method)
	}
	return text
}

// input returns the step as an input of its operation.
func (s step) input(o *modelOrg) string {
	q := func(v string) string { b, _ := json.Marshal(v); return string(b) }
	switch s.op {
	case "create_user":
		more := `,"activate":false`
		if s.with != "" {
			more = `,"credentials":{"password":{"value":"Correct horse battery 9"}}`
		}
		return `{"profile":{"login":` + q(s.on) + `,"email":` + q(s.on) + `,"firstName":"P","lastName":"Q"}` + more + `}`
	case "update_user":
		return `{"user":` + q(s.on) + `,"profile":{"title":` + q(s.with) + `}}`
	case "user_lifecycle_action":
		more := ""
		if s.with == "expire_password_with_temp_password" {
			more = `,"revoke_sessions":true`
		}
		return `{"user":` + q(s.on) + `,"action":` + q(s.with) + more + `}`
	case "create_zone":
		return `{"name":` + q(s.on) + `,"usage":"BLOCKLIST","gateways":[` + q(s.with) + `]}`
	case "add_role_target", "remove_role_target":
		return `{"user":` + q(o.helper) + `,"role":"HELP_DESK_ADMIN","target_group":` + q(s.with) + `}`
	case "set_user_type":
		return `{"user":` + q(s.on) + `,"type":` + q(s.with) + `}`
	case "policy_lifecycle_action", "policy_rule_lifecycle_action", "group_rule_lifecycle_action", "zone_lifecycle_action":
		return `{` + s.on + `,"action":` + q(s.with) + `}`
	case "deactivate_user", "reactivate_user", "delete_user", "revoke_session", "reset_all_factors", "revoke_user_grants":
		return `{"user":` + q(s.on) + `}`
	case "reset_factor":
		return `{"user":` + q(s.on) + `,"factor":` + q(s.with) + `}`
	case "create_group":
		return `{"name":` + q(s.on) + `}`
	case "update_group":
		if name, ok := strings.CutPrefix(s.with, "name="); ok {
			return `{"group":` + q(s.on) + `,"name":` + q(name) + `}`
		}
		return `{"group":` + q(s.on) + `,"description":` + q(s.with) + `}`
	case "delete_group":
		return `{"group":` + q(s.on) + meant(s.with) + `}`
	case "add_group_member", "remove_group_member":
		return `{"group":` + q(strings.TrimSuffix(s.with, administrators)) + `,"user":` + q(s.on) + meant(s.with) + `}`
	case "assign_application_user", "unassign_application_user":
		return `{"application":` + q(o.app) + `,"user":` + q(s.on) + `}`
	case "assign_application_group", "unassign_application_group":
		return `{"application":` + q(o.app) + `,"group":` + q(s.on) + `}`
	case "assign_role", "revoke_role":
		who := "user"
		if !strings.Contains(s.on, "@") {
			who = "group"
		}
		return `{"` + who + `":` + q(s.on) + `,"type":` + q(s.with) + `}`
	case "device_lifecycle_action":
		return `{"device":` + q(s.on) + `,"action":` + q(s.with) + `}`
	case "update_zone":
		in := `{"zone":` + q(o.zone)
		words := strings.Fields(s.with) // add A, remove B, or both
		for i := 0; i < len(words); i += 2 {
			in += `,"` + words[i] + `_gateways":[` + q(words[i+1]) + `]`
		}
		return in + "}"
	case "update_policy":
		return `{"policy":` + q(o.policy) + `,"patch":{"description":` + q(s.with) + `}}`
	}
	panic("no input of " + s.op)
}

// administrators ends the details of a step that confirms a group with roles.
const administrators = " administrators"

func meant(with string) string {
	if strings.HasSuffix(with, administrators) {
		return `,"admin_group":true`
	}
	return ""
}

var modelActions = []string{"activate", "unsuspend", "unlock", "suspend", "deactivate", "expire_password", "expire_password_with_temp_password",
	"reset_password", "reset_factors"}

// modelSteps create random steps of each operation that writes.
var modelSteps = map[string]func(r *rand.Rand, o *modelOrg) (on, with string){
	"create_user": func(r *rand.Rand, o *modelOrg) (string, string) {
		return pick(r, modelNew), pick(r, []string{"", "a password"})
	},
	"update_user": func(r *rand.Rand, o *modelOrg) (string, string) {
		return pick(r, o.logins), pick(r, []string{"Countess", "Boss"})
	},
	"deactivate_user":       func(r *rand.Rand, o *modelOrg) (string, string) { return pick(r, o.logins), "" },
	"reactivate_user":       func(r *rand.Rand, o *modelOrg) (string, string) { return pick(r, o.logins), "" },
	"delete_user":           func(r *rand.Rand, o *modelOrg) (string, string) { return pick(r, o.logins), "" },
	"user_lifecycle_action": func(r *rand.Rand, o *modelOrg) (string, string) { return pick(r, o.logins), pick(r, modelActions) },
	"create_group":          func(r *rand.Rand, o *modelOrg) (string, string) { return pick(r, modelGroups), "" },
	"update_group": func(r *rand.Rand, o *modelOrg) (string, string) {
		return pick(r, modelGroups), pick(r, []string{"Old", "New", "name=P0", "name=P1"})
	},
	"delete_group": func(r *rand.Rand, o *modelOrg) (string, string) {
		return pick(r, modelGroups), pick(r, []string{"", administrators})
	},
	"add_group_member": func(r *rand.Rand, o *modelOrg) (string, string) {
		return pick(r, o.logins), pick(r, modelGroups) + pick(r, []string{"", administrators})
	},
	"remove_group_member": func(r *rand.Rand, o *modelOrg) (string, string) {
		return pick(r, o.logins), pick(r, modelGroups) + pick(r, []string{"", administrators})
	},
	"assign_application_user":    func(r *rand.Rand, o *modelOrg) (string, string) { return pick(r, o.logins), "" },
	"unassign_application_user":  func(r *rand.Rand, o *modelOrg) (string, string) { return pick(r, o.logins), "" },
	"assign_application_group":   func(r *rand.Rand, o *modelOrg) (string, string) { return pick(r, modelGroups), "" },
	"unassign_application_group": func(r *rand.Rand, o *modelOrg) (string, string) { return pick(r, modelGroups), "" },
	"reset_factor": func(r *rand.Rand, o *modelOrg) (string, string) {
		return pick(r, o.logins), pick(r, []string{"sms", "call"})
	},
	"create_zone": func(r *rand.Rand, o *modelOrg) (string, string) {
		return pick(r, modelZones), pick(r, append([]string{"0.0.0.0/0"}, modelEntries...))
	},
	"add_role_target":    func(r *rand.Rand, o *modelOrg) (string, string) { return "", pick(r, o.targets) },
	"remove_role_target": func(r *rand.Rand, o *modelOrg) (string, string) { return "", pick(r, o.targets) },
	"set_user_type": func(r *rand.Rand, o *modelOrg) (string, string) {
		return pick(r, o.logins), pick(r, append(o.org.UserTypes(), "otynosuchtype0000000"))
	},
	"reset_all_factors":            func(r *rand.Rand, o *modelOrg) (string, string) { return pick(r, o.logins), "" },
	"revoke_user_grants":           func(r *rand.Rand, o *modelOrg) (string, string) { return pick(r, o.logins), "" },
	"policy_lifecycle_action":      modelSwitch("policy_lifecycle_action"),
	"policy_rule_lifecycle_action": modelSwitch("policy_rule_lifecycle_action"),
	"group_rule_lifecycle_action":  modelSwitch("group_rule_lifecycle_action"),
	"zone_lifecycle_action":        modelSwitch("zone_lifecycle_action"),
	"revoke_session":               func(r *rand.Rand, o *modelOrg) (string, string) { return pick(r, o.logins), "" },
	"device_lifecycle_action": func(r *rand.Rand, o *modelOrg) (string, string) {
		return pick(r, o.devices), pick(r, []string{"activate", "unsuspend", "deactivate", "suspend", "delete"})
	},
	"assign_role": func(r *rand.Rand, o *modelOrg) (string, string) {
		return pick(r, slices.Concat(o.logins, modelGroups)), pick(r, modelRoles)
	},
	"revoke_role": func(r *rand.Rand, o *modelOrg) (string, string) {
		return pick(r, slices.Concat(o.logins, modelGroups)), pick(r, modelRoles)
	},
	"update_zone": func(r *rand.Rand, o *modelOrg) (string, string) {
		return "", pick(r, []string{"add ", "remove ", "add " + pick(r, modelEntries) + " remove "}) + pick(r, modelEntries)
	},
	"update_policy": func(r *rand.Rand, o *modelOrg) (string, string) { return "", pick(r, []string{"Old", "New"}) },
}

// modelSwitch creates steps of an operation that sets the status of one of o.switched.
func modelSwitch(op string) func(r *rand.Rand, o *modelOrg) (on, with string) {
	return func(r *rand.Rand, o *modelOrg) (string, string) {
		return pick(r, o.switched[op]), pick(r, []string{"activate", "deactivate"})
	}
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func sequence(r *rand.Rand, o *modelOrg, n int, faults bool) (steps []step) {
	ops := slices.Sorted(maps.Keys(modelSteps))
	for range n {
		s := step{op: pick(r, ops)}
		s.on, s.with = modelSteps[s.op](r, o)
		if faults && r.IntN(4) > 0 {
			methods := []string{"GET"}
			for _, e := range o.Module().Manifest().Operations[modelOperation(o, s.op)].Endpoints {
				if method, _, _ := strings.Cut(e.Endpoint, " "); method != "GET" {
					methods = append(methods, method)
				}
			}
			s.fault = &oktatest.Fault{Times: 1, Status: pick(r, []int{500, 503}), Method: pick(r, methods),
				Kind: pick(r, []oktatest.FaultKind{oktatest.ResetBefore, oktatest.ResetAfter, oktatest.Status, oktatest.StatusAfter, oktatest.Truncate, oktatest.NotJSON})}
		}
		steps = append(steps, s)
	}
	return steps
}

func modelOperation(o *modelOrg, name string) int {
	return slices.IndexFunc(o.Module().Manifest().Operations, func(op abi.Operation) bool { return op.Name == name })
}

// forecast is what the model expects of a step.
type forecast struct {
	outcome abi.Outcome
	after   *state
	halfway *state              // the state after the first of two writes
	either  map[string][]string // possible statuses of a user, if Okta does not document which
}

// foresee is the model: what an administrator expects of a step. It was written without looking at guest/okta.
func foresee(s *state, st step) forecast {
	next := s.clone()
	f := forecast{outcome: abi.Succeeded, after: next}
	ends := func(o abi.Outcome) forecast { return forecast{outcome: o, after: s} }
	u, g := next.Users[st.on], next.Groups[st.on]
	settle := func() { // decides who has the application
		for _, u := range next.Users {
			through := u.Status != "DEPROVISIONED" && slices.ContainsFunc(u.Groups, func(name string) bool { return next.Groups[name].App })
			switch {
			case u.App == "USER":
			case through:
				u.App = "GROUP"
			default:
				u.App = ""
			}
		}
	}
	defer settle()
	off := func(u *userFacts) { u.Status, u.Sessions, u.App, u.Roles = "DEPROVISIONED", false, "", nil }
	in := func(all ...string) bool { return u != nil && slices.Contains(all, u.Status) }
	byStatus := func(from, to, already []string) forecast {
		switch {
		case in(already...):
			return ends(abi.Unchanged)
		case !in(from...):
			return ends(abi.Rejected)
		}
		u.Status = to[0]
		f.either = map[string][]string{st.on: to}
		return f
	}
	wantsUser := slices.Contains([]string{"update_user", "deactivate_user", "reactivate_user", "delete_user", "user_lifecycle_action", "add_group_member", "remove_group_member",
		"assign_application_user", "unassign_application_user", "reset_factor", "revoke_session", "set_user_type", "reset_all_factors", "revoke_user_grants"}, st.op)
	wantsGroup := slices.Contains([]string{"update_group", "delete_group", "assign_application_group", "unassign_application_group"}, st.op)
	if wantsUser && u == nil || wantsGroup && g == nil {
		return ends(abi.NotFound)
	}
	action := st.with
	switch st.op {
	case "deactivate_user":
		action = "deactivate"
	case "reactivate_user":
		if in("PROVISIONED", "RECOVERY") {
			f.either = map[string][]string{st.on: {"PROVISIONED", "RECOVERY"}}
			return f
		}
		return byStatus([]string{"STAGED", "DEPROVISIONED"}, []string{"PROVISIONED", "ACTIVE"}, []string{"ACTIVE"})
	}
	signedUp := []string{"ACTIVE", "LOCKED_OUT", "RECOVERY", "PASSWORD_EXPIRED"}
	back := []string{"ACTIVE", "PASSWORD_EXPIRED"}
	switch st.op {
	case "user_lifecycle_action", "deactivate_user":
		switch action {
		case "activate":
			return byStatus([]string{"STAGED", "DEPROVISIONED"}, []string{"PROVISIONED", "ACTIVE"}, []string{"ACTIVE", "PROVISIONED", "PASSWORD_EXPIRED"})
		case "unsuspend":
			return byStatus([]string{"SUSPENDED"}, back, []string{"ACTIVE", "PASSWORD_EXPIRED", "LOCKED_OUT", "RECOVERY", "PROVISIONED"})
		case "unlock":
			return byStatus([]string{"LOCKED_OUT"}, back, []string{"ACTIVE", "PASSWORD_EXPIRED", "RECOVERY", "PROVISIONED"})
		case "suspend":
			f := byStatus([]string{"ACTIVE"}, []string{"SUSPENDED"}, []string{"SUSPENDED"})
			u.Sessions = u.Sessions && f.outcome != abi.Succeeded
			return f
		case "deactivate":
			if in("DEPROVISIONED") {
				return ends(abi.Unchanged)
			}
			off(u)
		case "expire_password":
			return byStatus([]string{"ACTIVE", "LOCKED_OUT", "RECOVERY"}, []string{"PASSWORD_EXPIRED"}, []string{"PASSWORD_EXPIRED"})
		case "expire_password_with_temp_password":
			f := byStatus(signedUp, []string{"PASSWORD_EXPIRED"}, nil)
			u.Sessions = u.Sessions && f.outcome != abi.Succeeded
			return f
		case "reset_password":
			return byStatus(append(signedUp, "PROVISIONED"), []string{"RECOVERY"}, nil)
		case "reset_factors":
			if in("STAGED", "DEPROVISIONED") {
				return ends(abi.Rejected)
			}
			u.Factors = nil
		}
	case "delete_user":
		if !in("DEPROVISIONED") {
			f.halfway = foresee(s, step{op: "deactivate_user", on: st.on}).after
		}
		delete(next.Users, st.on)
		for _, name := range u.Groups {
			next.Groups[name].Lately = true
		}
	case "create_user":
		if u != nil {
			return ends(abi.Rejected)
		}
		next.Users[st.on] = &userFacts{Status: "STAGED", Type: s.NewType}
		if st.with != "" {
			next.Users[st.on].Status = "ACTIVE"
		}
	case "update_user":
		switch {
		case u.Title == st.with:
			return ends(abi.Unchanged)
		case in("DEPROVISIONED"):
			return ends(abi.Rejected)
		}
		u.Title = st.with
	case "reset_factor":
		switch {
		case !slices.Contains(u.Factors, st.with):
			return ends(abi.Unchanged)
		case in("DEPROVISIONED"):
			return ends(abi.Rejected)
		}
		u.Factors = slices.DeleteFunc(u.Factors, func(k string) bool { return k == st.with })
	case "revoke_user_grants":
		if !u.Grants {
			return ends(abi.Unchanged)
		}
		u.Grants = false
	case "reset_all_factors":
		if in("STAGED", "DEPROVISIONED") {
			return ends(abi.Rejected)
		}
		u.Factors = nil
	case "add_role_target", "remove_role_target":
		switch is := slices.Contains(next.Targets, st.with); {
		case is == (st.op == "add_role_target"):
			return ends(abi.Unchanged)
		case is && len(next.Targets) == 1:
			return ends(abi.Rejected)
		case is:
			next.Targets = slices.DeleteFunc(next.Targets, func(id string) bool { return id == st.with })
		default:
			next.Targets = append(next.Targets, st.with)
			slices.Sort(next.Targets)
		}
	case "create_zone":
		if st.with == "0.0.0.0/0" || next.Switched[st.on] != "" {
			return ends(abi.Rejected)
		}
		next.Switched[st.on] = "ACTIVE"
	case "set_user_type":
		switch {
		case u.Type == st.with:
			return ends(abi.Unchanged)
		case in("DEPROVISIONED"), strings.Contains(st.with, "nosuch"):
			return ends(abi.Rejected)
		}
		u.Type = st.with
	case "policy_lifecycle_action", "policy_rule_lifecycle_action", "group_rule_lifecycle_action", "zone_lifecycle_action":
		object, status := "", map[string]string{"activate": "ACTIVE", "deactivate": "INACTIVE"}[st.with]
		for _, member := range []string{"policy", "zone", "rule"} {
			if id := gjson.Get("{"+st.on+"}", member).Str; id != "" {
				object = id
			}
		}
		switch {
		case next.Switched[object] == "":
			return ends(abi.NotFound)
		case next.Switched[object] == status:
			return ends(abi.Unchanged)
		case slices.Contains(s.Fixed, object):
			return ends(abi.Rejected)
		}
		next.Switched[object] = status
	case "revoke_session":
		u.Sessions = false
	case "create_group":
		if g != nil {
			return ends(abi.Rejected)
		}
		next.Groups[st.on] = &groupFacts{Lately: true}
	case "update_group":
		name, rename := strings.CutPrefix(st.with, "name=")
		switch {
		case rename && name == st.on, !rename && g.Description == st.with:
			return ends(abi.Unchanged)
		case rename && next.Groups[name] != nil:
			return ends(abi.Rejected)
		case rename:
			next.Groups[name] = g
			delete(next.Groups, st.on)
			for _, u := range next.Users {
				if i := slices.Index(u.Groups, st.on); i >= 0 {
					u.Groups[i] = name
				}
			}
		default:
			g.Description = st.with
		}
	case "delete_group":
		if len(g.Roles) > 0 && st.with != administrators {
			return ends(abi.Rejected)
		}
		delete(next.Groups, st.on)
		for _, u := range next.Users {
			u.Groups = slices.DeleteFunc(u.Groups, func(name string) bool { return name == st.on })
		}
	case "add_group_member", "remove_group_member":
		name, meant := strings.CutSuffix(st.with, administrators)
		g, is, add := next.Groups[name], slices.Contains(u.Groups, name), st.op == "add_group_member"
		switch {
		case g == nil:
			return ends(abi.NotFound)
		case is == add && !g.Lately:
			return ends(abi.Unchanged)
		case len(g.Roles) > 0 && !meant, add && in("DEPROVISIONED"):
			return ends(abi.Rejected)
		case is == add: // the list may lag behind, so the write is sent
		case add:
			u.Groups, g.Lately = append(u.Groups, name), true
		default:
			u.Groups, g.Lately = slices.DeleteFunc(u.Groups, func(other string) bool { return other == name }), true
		}
	case "assign_application_user":
		switch {
		case u.App != "": // the way of the assignment is kept
			return ends(abi.Unchanged)
		case in("DEPROVISIONED"):
			return ends(abi.Rejected)
		}
		u.App = "USER"
	case "unassign_application_user":
		switch u.App {
		case "":
			return ends(abi.Unchanged)
		case "GROUP":
			return ends(abi.Rejected)
		}
		u.App = ""
	case "assign_application_group", "unassign_application_group":
		want := st.op == "assign_application_group"
		if g.App == want {
			return ends(abi.Unchanged)
		}
		g.App = want
	case "assign_role", "revoke_role":
		var roles *[]string
		switch {
		case u != nil:
			roles = &u.Roles
		case g != nil:
			roles = &g.Roles
		default:
			return ends(abi.NotFound)
		}
		has := slices.Contains(*roles, st.with)
		through := u != nil && slices.ContainsFunc(u.Groups, func(name string) bool { return slices.Contains(next.Groups[name].Roles, st.with) })
		switch {
		case st.op == "revoke_role" && !has && through:
			return ends(abi.Rejected)
		case has == (st.op == "assign_role"):
			return ends(abi.Unchanged)
		case has:
			*roles = slices.DeleteFunc(*roles, func(r string) bool { return r == st.with })
		default:
			*roles = append(*roles, st.with)
		}
	case "device_lifecycle_action":
		status, exists := next.Devices[st.on]
		moves := map[string][]string{"activate": {"ACTIVE", "CREATED", "DEACTIVATED"}, "unsuspend": {"ACTIVE", "SUSPENDED"},
			"deactivate": {"DEACTIVATED", "ACTIVE", "SUSPENDED"}, "suspend": {"SUSPENDED", "ACTIVE"}}
		switch move := moves[st.with]; {
		case !exists && st.with == "delete":
			return ends(abi.Unchanged)
		case !exists:
			return ends(abi.NotFound)
		case st.with == "delete" && status == "CREATED":
			return ends(abi.Rejected)
		case st.with == "delete":
			if status != "DEACTIVATED" {
				f.halfway = s.clone()
				f.halfway.Devices[st.on] = "DEACTIVATED"
			}
			delete(next.Devices, st.on)
		case status == move[0]:
			return ends(abi.Unchanged)
		case !slices.Contains(move[1:], status):
			return ends(abi.Rejected)
		default:
			next.Devices[st.on] = move[0]
		}
	case "update_zone":
		var add, remove string
		words := strings.Fields(st.with)
		for i := 0; i < len(words); i += 2 {
			entry := words[i+1]
			if entry == "192.0.2.7" || entry == "198.51.100.9" { // Okta stores an address as a range
				entry += "-" + entry
			}
			if words[i] == "add" {
				add = entry
			} else {
				remove = entry
			}
		}
		const part, whole = "198.51.100.9-198.51.100.9", "198.51.100.0/24"
		entries := strings.Fields(next.Gateways)
		switch {
		case add == remove, add == whole && remove == part:
			return ends(abi.Invalid) // the removed address would stay
		case remove == part && slices.Contains(entries, whole), remove == whole && slices.Contains(entries, part) && add != part:
			return ends(abi.Rejected) // what overlaps stays
		}
		entries = slices.DeleteFunc(entries, func(e string) bool { return e == remove })
		if add != "" && !slices.Contains(entries, add) {
			entries = append(entries, add)
		}
		slices.Sort(entries)
		if strings.Join(entries, " ") == next.Gateways {
			return ends(abi.Unchanged)
		}
		next.Gateways = strings.Join(entries, " ")
	case "update_policy":
		if next.Policy == st.with {
			return ends(abi.Unchanged)
		}
		next.Policy = st.with
	}
	return f
}

// agrees reports whether the model allows a state after a step. It copies the members that the model does not decide.
func (f forecast) agrees(want, is *state) bool {
	if want == nil {
		return false
	}
	want = want.clone()
	for login, statuses := range f.either {
		if u := is.Users[login]; u != nil && slices.Contains(statuses, u.Status) && want.Users[login] != nil {
			want.Users[login].Status = u.Status
		}
	}
	return want.String() == is.String()
}

// tally counts outcomes by operation.
type tally struct {
	mu     sync.Mutex
	counts map[string]map[abi.Outcome]int
}

func (c *tally) add(op string, o abi.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts[op] == nil {
		c.counts[op] = map[abi.Outcome]int{}
	}
	c.counts[op][o]++
}

// take runs one step and compares the result with the model.
func (o *modelOrg) take(before *state, s step) (after *state, disagreement string) {
	f := foresee(before, s)
	effects := o.org.Effects()
	if s.fault != nil {
		o.org.Inject(*s.fault)
	}
	res := o.try(s.op, s.input(o))
	o.org.ClearFaults()
	o.seen.add(s.op, res.Outcome)
	after = o.look()
	same, done, half := after.String() == before.String(), f.agrees(f.after, after), f.agrees(f.halfway, after)
	ok := false
	switch res.Outcome {
	case abi.Succeeded:
		ok = f.outcome == abi.Succeeded && done
	case abi.Unchanged, abi.NotFound, abi.Rejected, abi.Invalid:
		ok = f.outcome == res.Outcome && same
	case abi.Unavailable: // nothing was changed, or only by the first of two writes, as the message says
		ok = s.fault != nil && (same || half && strings.Contains(res.Error.Message, "deactivated"))
	case abi.Unknown:
		ok = s.fault != nil && (same || half || done)
	}
	if n := o.org.Effects() - effects; n > 1 && f.halfway == nil || n > 2 {
		return after, fmt.Sprintf("%d writes took effect", n)
	}
	if !ok {
		return after, fmt.Sprintf("%s %+v, the model expects %s; nothing changed: %v, all done: %v\nbefore %s\nafter  %s\nwanted %s",
			res.Outcome, res.Error, f.outcome, same, done, before, after, f.after)
	}
	return after, ""
}

// play runs a sequence on a new org, up to the first disagreement.
func play(t *testing.T, steps []step, seen *tally) string {
	o := newModelOrg(t)
	o.seen = seen
	now := o.look()
	for i, s := range steps {
		after, disagreement := o.take(now, s)
		if disagreement != "" {
			return fmt.Sprintf("step %d, %s: %s", i+1, s, disagreement)
		}
		now = after
	}
	return ""
}

// shrink removes steps as long as the rest still disagrees.
func shrink(t *testing.T, steps []step, disagreement string) ([]step, string) {
	for i := len(steps) - 1; i >= 0; i-- {
		fewer := slices.Delete(slices.Clone(steps), i, i+1)
		if d := play(t, fewer, &tally{counts: map[string]map[abi.Outcome]int{}}); d != "" {
			steps, disagreement = fewer, d
		}
	}
	return steps, disagreement
}

// TestWrites_RandomSequences_AgreeWithAModel plays random sequences of all writes, without and with faults. After every
// step, the outcome and the org's state must be what a model of a few hundred lines expects. A failed sequence is
// shrunk and printed with its seed. To repeat it: go test ./guest/okta/e2e -run RandomSequences -model.seed N
// -model.runs 1.
func TestWrites_RandomSequences_AgreeWithAModel(t *testing.T) {
	t.Parallel()
	for op := range uses {
		o := hosttest.Connector.Module(t).Manifest().Operations
		at := slices.IndexFunc(o, func(m abi.Operation) bool { return m.Name == op })
		if (at >= 0 && o[at].Class != abi.Read) != (modelSteps[op] != nil) {
			t.Errorf("%s: a write without a step, or a step that is not a write", op)
		}
	}
	run := func(name string, faults bool, runs, length, atOnce int) *tally {
		seen := &tally{counts: map[string]map[abi.Outcome]int{}}
		t.Run(name, func(t *testing.T) {
			var all sync.WaitGroup
			turns := make(chan struct{}, atOnce)
			for i := range runs {
				seed := *modelSeed + uint64(i)
				turns <- struct{}{}
				all.Go(func() {
					defer func() { <-turns }()
					steps := sequence(rand.New(rand.NewPCG(seed, 0)), newModelOrg(t), length, faults)
					if d := play(t, steps, seen); d != "" {
						steps, d = shrink(t, steps, d)
						var lines []string
						for _, s := range steps {
							lines = append(lines, s.String())
						}
						t.Errorf("seed %d: %s\nof the sequence\n  %s", seed, d, strings.Join(lines, "\n  "))
					}
				})
			}
			all.Wait()
		})
		t.Logf("%s: %v", name, seen.counts)
		return seen
	}
	if hosttest.Raced || testing.Short() {
		*modelRuns = min(*modelRuns, 2)
	}
	calm := run("without faults", false, *modelRuns, 60, 2)
	rough := run("with faults", true, *modelRuns*2, 8, 20) // most of the time is waiting
	if *modelRuns < 20 || t.Failed() {
		return
	}
	for op, counts := range calm.counts { // otherwise the sequences show little
		if counts[abi.Succeeded] == 0 || counts[abi.Succeeded] == sum(counts) {
			t.Errorf("%s came to %v", op, counts)
		}
	}
	lost := 0
	for _, counts := range rough.counts {
		lost += counts[abi.Unavailable] + counts[abi.Unknown]
	}
	if len(rough.counts) > 0 && lost == 0 { // a pattern of -run may exclude them
		t.Error("no fault was triggered")
	}
}

func sum(counts map[abi.Outcome]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
