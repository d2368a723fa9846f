package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/hosttest"
)

// use is what is known about one operation: inputs by their outcome. The tests with this table run all operations of
// the module, and fail if one is missing here.
//
// An input may have <place>s, which fill replaces by ids of the simulated org.
type use struct {
	good    []good
	missing []string // a target that does not exist: not_found
	wrong   []wrong  // a state that does not allow it: rejected
	invalid []string // combinations that the schema refuses; TestOperations_WrongInput_IsInvalid covers single fields
	// fields has, for each field of the input, members that change the effect of the first good input. The cursor of a
	// list needs none.
	fields map[string]string
	seldom []string // more inputs, for endpoints that the good ones do not use
	// base is the input to which fields are added, if it is not the first good one.
	base string
}

// good is an input that succeeds.
type good struct {
	in string
	// events are the types of events in the System Log, sorted.
	events string
	// again is the outcome of a repeat; "" means unchanged for writes.
	again abi.Outcome
	// asks says that the repeat sends a write, which has no effect.
	asks bool
}

// wrong is an input that is rejected, and the error's code.
type wrong struct{ in, code string }

func reads(inputs ...string) (all []good) {
	for _, in := range inputs {
		all = append(all, good{in: in, again: abi.Succeeded})
	}
	return all
}

const (
	ada  = `"user":"ada.lovelace@example.com"`
	none = `"user":"nobody@example.com"`

	memberRemoved = "group.user_membership.remove"
	memberAdded   = "group.user_membership.add"
)

var uses = map[string]use{
	"validate":     {good: reads(`{}`)},
	"org_identity": {good: reads(`{}`)},
	"poll_system_log_page": {
		good: reads(`{"page_size":100}`),
		fields: map[string]string{"since": `"since":"2026-01-02T12:00:00Z"`, "filter": `"filter":"eventType eq \"user.session.start\""`, "q": `"q":"session"`,
			"page_size": `"page_size":3`},
	},
	"bounded_system_log_range": {
		good:    reads(`{"since":"2026-01-02T00:00:00Z","until":"2026-01-03T00:00:00Z","limit":100}`),
		invalid: []string{`{"since":"2026-01-02T00:00:00Z","until":"2026-01-02T00:00:00Z"}`, `{"since":"2026-01-03T00:00:00Z","until":"2026-01-02T00:00:00Z"}`},
		wrong:   []wrong{{`{"since":"2025-01-02T00:00:00Z","until":"2026-01-03T00:00:00Z"}`, "rejected"}},
		fields: map[string]string{"since": `"since":"2026-01-02T12:00:00Z"`, "until": `"until":"2026-01-02T12:00:00Z"`, "filter": `"filter":"eventType eq \"user.session.start\""`,
			"q": `"q":"session"`, "sort_order": `"sort_order":"DESCENDING"`, "limit": `"limit":3`, "page_size": `"page_size":3`},
	},

	"lookup_user": {
		good: reads(`{`+ada+`}`, `{"user":"<user DEPROVISIONED>"}`), missing: []string{`{` + none + `}`, `{"user":"00unosuchuser0000000"}`},
		fields: map[string]string{"user": `"user":"alan.turing@example.com"`, "expand": `"expand":"blocks"`},
	},
	"list_users": {
		good: reads(`{}`, `{"status":"LOCKED_OUT"}`, `{"q":"Ada"}`),
		invalid: []string{`{"q":"x","status":"ACTIVE"}`, `{"q":"x","filter":"id pr"}`, `{"q":"x","include_deprovisioned":true}`, `{"q":"x","cursor":"x"}`,
			`{"include_deprovisioned":true,"status":"ACTIVE"}`, `{"include_deprovisioned":true,"filter":"id pr"}`},
		wrong: []wrong{{`{"filter":"nonsense"}`, "rejected"}},
		fields: map[string]string{"status": `"status":"SUSPENDED"`, "filter": `"filter":"profile.firstName eq \"Ada\""`, "q": `"q":"Ada"`, "include_deprovisioned": `"include_deprovisioned":true`,
			"limit": `"limit":3`, "page_size": `"page_size":3`},
	},
	"search_users": {
		good: reads(`{"search":"status pr"}`), wrong: []wrong{{`{"search":"nonsense"}`, "rejected"}}, invalid: []string{`{"search":"status pr","sort_order":"desc"}`},
		base: `{"search":"status pr","sort_by":"profile.lastName"}`,
		fields: map[string]string{"search": `"search":"status eq \"ACTIVE\""`, "sort_by": `"sort_by":"profile.firstName"`, "sort_order": `"sort_order":"desc"`, "limit": `"limit":3`,
			"page_size": `"page_size":3`},
	},
	"create_user": {
		seldom: []string{`{"profile":{"login":"a/b@example.com","email":"x@example.com","firstName":"X","lastName":"Y"}}`},
		good: []good{
			{in: `{"profile":{"login":"mira@example.com","email":"mira@example.com","firstName":"Mira","lastName":"Solano"},"activate":false}`, events: "user.lifecycle.create", again: abi.Rejected},
			{in: `{"profile":{"login":"mira@example.com","email":"mira@example.com","firstName":"Mira","lastName":"Solano"},"credentials":{"password":{"value":"Correct horse battery 9"}},"group_ids":["<group Engineering>"]}`,
				events: memberAdded + " user.lifecycle.activate user.lifecycle.create", again: abi.Rejected},
		},
		wrong: []wrong{
			{`{"profile":{"login":"ada.lovelace@example.com","email":"x@example.com","firstName":"X","lastName":"Y"}}`, "login_taken"},
			{`{"profile":{"login":"x@example.com","email":"x@example.com","firstName":"X","lastName":"Y"},"group_ids":["00gnosuchgroup000000"]}`, "group_not_found"},
			{`{"profile":{"login":"x@example.com","email":"x@example.com","firstName":"X","lastName":"Y"},"group_ids":["<group Engineering>","<group IT Operations>"]}`, "admin_group"},
			{`{"profile":{"login":"x@example.com","email":"x@example.com","firstName":"X","lastName":"Y","shoeSize":44}}`, "rejected"},
		},
		invalid: []string{`{"profile":{"login":"x@example.com"}}`, `{"profile":{"email":"x@example.com"}}`},
		base:    `{"profile":{"login":"mira@example.com","email":"mira@example.com","firstName":"Mira","lastName":"Solano"},"activate":false,"group_ids":["<group Engineering>"]}`,
		fields: map[string]string{"profile": `"profile":{"login":"other@example.com","email":"mira@example.com","firstName":"Mira","lastName":"Solano"}`,
			"credentials": `"credentials":{"password":{"value":"Correct horse battery 9"}}`, "group_ids": `"group_ids":["<group Équipe Ventes>"]`, "admin_group": `"admin_group":true`, "type": `"type":"<other user type>"`, "realm": `"realm":"<realm 1>"`,
			"activate": `"activate":true`, "provider": `"provider":true,"credentials":{"provider":{"type":"FEDERATION","name":"FEDERATION"}}`, "next_login": `"next_login":"changePassword"`},
	},
	"update_user": {
		good: []good{
			{in: `{` + ada + `,"profile":{"title":"Countess"}}`, events: "user.account.update_profile"},
			{in: `{` + ada + `,"replace":true,"profile":{"login":"ada.lovelace@example.com","email":"ada.lovelace@example.com","firstName":"Ada","lastName":"Byron"}}`, events: "user.account.update_profile"},
			{in: `{` + ada + `,"credentials":{"password":{"value":"Correct horse battery 9"}}}`, events: "user.account.update_password", again: abi.Succeeded},
		},
		missing: []string{`{` + none + `,"profile":{"title":"x"}}`},
		wrong:   []wrong{{`{` + ada + `,"profile":{"shoeSize":44}}`, "rejected"}, {`{"user":"ada.lovelace","profile":{"title":"x"}}`, "short_name"}, {`{"user":"me","profile":{"title":"x"}}`, "short_name"}},
		invalid: []string{`{` + ada + `}`, `{` + ada + `,"replace":true,"credentials":{"password":{"value":"x"}}}`, `{` + ada + `,"profile":{}}`},
		fields: map[string]string{"user": `"user":"alan.turing@example.com"`, "profile": `"profile":{"title":"Lady"}`, "credentials": `"credentials":{"password":{"value":"Correct horse 9"}}`,
			"replace": `"replace":true`, "type": `"profile":null,"type":"<other user type>"`, "realm": `"profile":null,"realm":"<realm 1>"`},
	},
	"deactivate_user": {
		good:    []good{{in: `{"user":"alan.turing@example.com"}`, events: "user.lifecycle.deactivate"}, {in: `{"user":"<user STAGED>"}`, events: "user.lifecycle.deactivate"}},
		missing: []string{`{` + none + `}`}, wrong: []wrong{{`{"user":"ada.lovelace"}`, "short_name"}, {`{"user":"me"}`, "short_name"}, {`{"user":"robin.keeper@example.com"}`, "own_account"}},
		fields: map[string]string{"user": `"user":"ada.lovelace@example.com"`, "send_email": `"send_email":true`},
	},
	"set_user_type": {
		good:    []good{{in: `{` + ada + `,"type":"<other user type>"}`, events: "user.account.update_profile"}},
		missing: []string{`{` + none + `,"type":"<other user type>"}`},
		wrong: []wrong{{`{` + ada + `,"type":"otynosuchtype0000000"}`, "rejected"}, {`{"user":"<user DEPROVISIONED>","type":"<other user type>"}`, "status"},
			{`{"user":"ada.lovelace","type":"<other user type>"}`, "short_name"}},
		fields: map[string]string{"user": `"user":"alan.turing@example.com"`, "type": `"type":"<user type>"`},
	},
	"reactivate_user": {
		good: []good{
			{in: `{"user":"<user PROVISIONED>"}`, events: "user.lifecycle.reactivate", again: abi.Succeeded},
			{in: `{"user":"<user DEPROVISIONED>"}`, events: "user.lifecycle.activate", again: abi.Succeeded}, // the user is then PROVISIONED
		},
		missing: []string{`{` + none + `}`},
		wrong:   []wrong{{`{"user":"<user SUSPENDED>"}`, "status"}, {`{"user":"<user LOCKED_OUT>"}`, "status"}, {`{"user":"<user PASSWORD_EXPIRED>"}`, "status"}, {`{"user":"ada.lovelace"}`, "short_name"}},
		fields:  map[string]string{"user": `"user":"<user RECOVERY>"`, "send_email": `"send_email":true`},
	},
	"delete_user": {
		good: []good{
			{in: `{` + ada + `}`, events: "user.lifecycle.deactivate user.lifecycle.delete.completed user.lifecycle.delete.initiated", again: abi.NotFound},
			{in: `{"user":"<user DEPROVISIONED>"}`, events: "user.lifecycle.delete.completed user.lifecycle.delete.initiated"},
		},
		missing: []string{`{` + none + `}`, `{"user":"00unosuch.user@example.com"}`},
		wrong:   []wrong{{`{"user":"ada.lovelace"}`, "short_name"}, {`{"user":"me"}`, "short_name"}, {`{"user":"<user owner>"}`, "own_account"}},
		fields:  map[string]string{"user": `"user":"alan.turing@example.com"`, "send_email": `"send_email":true`},
	},
	"user_lifecycle_action": {
		good: []good{
			{in: `{"user":"<user ACTIVE>","action":"suspend"}`, events: "user.lifecycle.suspend"},
			{in: `{"user":"<user STAGED>","action":"activate"}`, events: "user.lifecycle.activate"},
			{in: `{"user":"<user SUSPENDED>","action":"unsuspend"}`, events: "user.lifecycle.unsuspend"},
			{in: `{"user":"<user LOCKED_OUT>","action":"unlock"}`, events: "user.account.unlock_by_admin"},
			{in: `{"user":"<user ACTIVE>","action":"deactivate"}`, events: "user.lifecycle.deactivate"},
			{in: `{"user":"<user ACTIVE>","action":"expire_password"}`, events: "user.account.expire_password"},
			{in: `{` + ada + `,"action":"expire_password_with_temp_password","revoke_sessions":true}`, events: "user.account.expire_password user.session.clear", again: abi.Succeeded},
			{in: `{` + ada + `,"action":"reset_password"}`, events: "user.account.reset_password", again: abi.Succeeded},
			{in: `{` + ada + `,"action":"reset_factors"}`, events: "user.mfa.factor.reset_all", again: abi.Succeeded},
		},
		missing: []string{`{` + none + `,"action":"suspend"}`, `{"user":"00unosuchuser0000000","action":"unlock"}`},
		wrong: []wrong{{`{"user":"<user SUSPENDED>","action":"unlock"}`, "status"}, {`{"user":"<user DEPROVISIONED>","action":"suspend"}`, "status"},
			{`{"user":"<user DEPROVISIONED>","action":"expire_password"}`, "status"}, {`{"user":"<user STAGED>","action":"reset_factors"}`, "status"}, {`{"user":"me","action":"suspend"}`, "short_name"},
			{`{"user":"<user owner>","action":"suspend"}`, "own_account"}, {`{"user":"<user owner>","action":"deactivate"}`, "own_account"}},
		invalid: []string{`{` + ada + `,"action":"suspend","send_email":true}`, `{` + ada + `,"action":"reset_factors","revoke_sessions":true}`, `{` + ada + `,"action":"unlock","send_email":false}`},
		base:    `{` + ada + `,"action":"reset_password"}`,
		fields: map[string]string{"user": `"user":"alan.turing@example.com"`, "action": `"action":"deactivate"`, "send_email": `"send_email":true`,
			"revoke_sessions": `"revoke_sessions":true`},
	},

	"lookup_group": {
		good: reads(`{"group":"Engineering"}`, `{"group":"<group Engineering>"}`), missing: []string{`{"group":"No such group"}`, `{"group":"00gnosuchgroup000000"}`},
		fields: map[string]string{"group": `"group":"Everyone"`},
	},
	"list_groups": {
		good: reads(`{}`, `{"q":"Eng"}`), invalid: []string{`{"q":"x","filter":"id pr"}`, `{"q":"x","cursor":"x"}`}, wrong: []wrong{{`{"filter":"nonsense"}`, "rejected"}},
		fields: map[string]string{"filter": `"filter":"type eq \"BUILT_IN\""`, "q": `"q":"Eng"`, "expand": `"expand":"stats"`, "limit": `"limit":3`, "page_size": `"page_size":3`},
	},
	"search_groups": {
		good: reads(`{"search":"id pr"}`), invalid: []string{`{"search":"id pr","sort_order":"desc"}`}, wrong: []wrong{{`{"search":"nonsense"}`, "rejected"}},
		base: `{"search":"id pr","sort_by":"profile.name"}`,
		fields: map[string]string{"search": `"search":"type eq \"BUILT_IN\""`, "sort_by": `"sort_by":"type"`, "sort_order": `"sort_order":"desc"`, "limit": `"limit":3`,
			"page_size": `"page_size":3`},
	},
	"list_group_rules": {
		good: reads(`{}`, `{"search":"<word of two group rules>","expand":"groupIdToGroupNameMap"}`), base: `{"search":"<word of two group rules>"}`,
		fields: map[string]string{"search": `"search":"no such rule"`, "expand": `"expand":"groupIdToGroupNameMap"`, "limit": `"limit":1`, "page_size": `"page_size":1`},
	},
	"create_group": {
		good:    []good{{in: `{"name":"Night Shift","description":"On call"}`, events: "group.lifecycle.create", again: abi.Rejected}},
		wrong:   []wrong{{`{"name":"Engineering"}`, "name_taken"}, {`{"name":"New","profile":{"shoeSize":44}}`, "rejected"}},
		invalid: []string{`{"name":"x","profile":{"name":"y"}}`, `{"name":"x","profile":{"description":"y"}}`},
		fields:  map[string]string{"name": `"name":"Late Shift"`, "description": `"description":"Off call"`, "profile": `"profile":{"site":"Oslo"}`},
	},
	"update_group": {
		good: []good{{in: `{"group":"Engineering","description":"Builds and runs things"}`, events: "group.profile.update"},
			{in: `{"group":"<group Engineering>","name":"Builders"}`, events: "group.profile.update"}},
		missing: []string{`{"group":"No such group","name":"x"}`, `{"group":"00gnosuchgroup000000","name":"x"}`},
		wrong: []wrong{{`{"group":"Everyone","description":"x"}`, "built_in_group"}, {`{"group":"Contractors","description":"x"}`, "app_group"},
			{`{"group":"Engineering","name":"IT Operations"}`, "rejected"}},
		invalid: []string{`{"group":"Engineering"}`, `{"group":"Engineering","profile":{}}`, `{"group":"Engineering","profile":{"name":"x"}}`},
		fields: map[string]string{"group": `"group":"IT Operations"`, "name": `"name":"Builders"`, "description": `"description":"x"`,
			"profile": `"profile":{"site":"Oslo"}`},
	},
	"delete_group": {
		seldom:  []string{`{"group":"IT Operations","admin_group":true}`},
		good:    []good{{in: `{"group":"<group Engineering>"}`, events: "group.lifecycle.delete"}, {in: `{"group":"Engineering"}`, events: "group.lifecycle.delete", again: abi.NotFound}},
		missing: []string{`{"group":"No such group"}`}, wrong: []wrong{{`{"group":"Everyone"}`, "built_in_group"}, {`{"group":"IT Operations"}`, "admin_group"}},
		fields: map[string]string{"group": `"group":"Équipe Ventes"`, "admin_group": `"admin_group":true`},
	},
	"add_group_member": {
		good:    []good{{in: `{"group":"Équipe Ventes",` + ada + `}`, events: memberAdded, again: abi.Succeeded, asks: true}, {in: `{"group":"<group Équipe Ventes>","user":"<user ada>"}`, events: memberAdded, again: abi.Succeeded, asks: true}},
		missing: []string{`{"group":"No such group",` + ada + `}`, `{"group":"00gnosuchgroup000000",` + ada + `}`, `{"group":"Équipe Ventes",` + none + `}`},
		wrong: []wrong{{`{"group":"Everyone",` + ada + `}`, "built_in_group"}, {`{"group":"Contractors",` + ada + `}`, "app_group"},
			{`{"group":"Équipe Ventes","user":"ada.lovelace"}`, "short_name"}, {`{"group":"Équipe Ventes","user":"me"}`, "short_name"},
			{`{"group":"IT Operations",` + ada + `}`, "admin_group"}},
		fields: map[string]string{"group": `"group":"Engineering"`, "user": `"user":"linus.lindqvist5@example.com"`, "admin_group": `"admin_group":true`},
	},
	"remove_group_member": {
		seldom:  []string{`{"group":"IT Operations","user":"<member of IT Operations>","admin_group":true}`},
		good:    []good{{in: `{"group":"Engineering","user":"<member of Engineering>"}`, events: memberRemoved, again: abi.Succeeded, asks: true}, {in: `{"group":"<group Engineering>","user":"<member of Engineering>"}`, events: memberRemoved, again: abi.Succeeded, asks: true}},
		missing: []string{`{"group":"No such group",` + ada + `}`, `{"group":"00gnosuchgroup000000",` + ada + `}`, `{"group":"Équipe Ventes",` + none + `}`},
		wrong: []wrong{{`{"group":"Everyone",` + ada + `}`, "built_in_group"}, {`{"group":"Contractors",` + ada + `}`, "app_group"},
			{`{"group":"Équipe Ventes","user":"ada.lovelace"}`, "short_name"}, {`{"group":"Équipe Ventes","user":"me"}`, "short_name"},
			{`{"group":"IT Operations","user":"<member of IT Operations>"}`, "admin_group"}},
		fields: map[string]string{"group": `"group":"Équipe Ventes"`, "user": `"user":"alan.turing@example.com"`, "admin_group": `"admin_group":true`},
	},

	"list_group_members": {
		good: reads(`{"group":"Engineering"}`, `{"group":"<group Engineering>"}`), missing: []string{`{"group":"No such group"}`, `{"group":"00gnosuchgroup000000"}`},
		fields: map[string]string{"group": `"group":"IT Operations"`, "limit": `"limit":2`, "page_size": `"page_size":2`},
	},
	"list_user_groups": {
		good: reads(`{`+ada+`}`, `{"user":"<user ada>"}`), missing: []string{`{` + none + `}`, `{"user":"00unosuchuser0000000"}`},
		fields: map[string]string{"user": `"user":"alan.turing@example.com"`, "limit": `"limit":1`},
	},
	"list_group_owners": {
		good: reads(`{"group":"Engineering"}`, `{"group":"<group Engineering>"}`), missing: []string{`{"group":"No such group"}`, `{"group":"00gnosuchgroup000000"}`},
		wrong:  []wrong{{`{"group":"Engineering","search":"nonsense"}`, "rejected"}},
		fields: map[string]string{"group": `"group":"IT Operations"`, "search": `"search":"type eq \"USER\""`, "limit": `"limit":1`, "page_size": `"page_size":1`},
	},
	"list_user_applications": {
		good: reads(`{`+ada+`}`, `{"user":"<user ada>"}`), missing: []string{`{` + none + `}`},
		base:   `{"user":"<user with two applications>"}`,
		fields: map[string]string{"user": `"user":"alan.turing@example.com"`, "limit": `"limit":1`, "page_size": `"page_size":1`},
	},
	"list_application_groups": {
		good: reads(`{"application":"<app 0>"}`), missing: []string{`{"application":"0oanosuchapp00000000"}`},
		base:   `{"application":"<application with two groups>"}`,
		fields: map[string]string{"application": `"application":"<app 1>"`, "q": `"q":"Eng"`, "expand": `"expand":"group"`, "limit": `"limit":1`},
	},

	"lookup_application": {
		good: reads(`{"application":"<app 0>"}`), missing: []string{`{"application":"0oanosuchapp00000000"}`},
		fields: map[string]string{"application": `"application":"<app 1>"`, "expand": `"expand":"user/<user ada>"`},
	},
	"list_applications": {
		good: reads(`{}`), wrong: []wrong{{`{"filter":"nonsense"}`, "rejected"}},
		fields: map[string]string{"filter": `"filter":"status eq \"ACTIVE\""`, "q": `"q":"Lun"`, "expand": `"expand":"user/<user ada>"`, "include_non_deleted": `"include_non_deleted":true`,
			"limit": `"limit":1`, "page_size": `"page_size":1`},
	},
	"list_application_users": {
		good: reads(`{"application":"<app 0>"}`), missing: []string{`{"application":"0oanosuchapp00000000"}`},
		fields: map[string]string{"application": `"application":"<app 1>"`, "q": `"q":"ada"`, "expand": `"expand":"user"`, "limit": `"limit":2`, "page_size": `"page_size":2`},
	},
	"assign_application_user": {
		good: []good{
			{in: `{"application":"<app 1>",` + ada + `}`, events: "application.user_membership.add"},
			{in: `{"application":"<app 0>",` + ada + `,"profile":{"role":"editor"}}`, events: "application.user_membership.update"},
		},
		missing: []string{`{"application":"0oanosuchapp00000000",` + ada + `}`, `{"application":"<app 1>",` + none + `}`, `{"application":"<app 1>","user":"00unosuchuser0000000"}`},
		wrong: []wrong{{`{"application":"<app 1>","user":"<user DEPROVISIONED>"}`, "rejected"}, {`{"application":"<app 1>","user":"ada.lovelace"}`, "short_name"},
			{`{"application":"<app 1>","user":"me"}`, "short_name"}},
		fields: map[string]string{"application": `"application":"<app 2>"`, "user": `"user":"alan.turing@example.com"`, "profile": `"profile":{"role":"reader"}`,
			"credentials": `"credentials":{"userName":"ada"}`, "scope": `"scope":"GROUP"`},
	},
	"unassign_application_user": {
		good:    []good{{in: `{"application":"<app 0>",` + ada + `}`, events: "application.user_membership.remove", again: abi.Rejected}}, // the user also has it through a group
		missing: []string{`{"application":"0oanosuchapp00000000",` + ada + `}`, `{"application":"<app 1>",` + none + `}`, `{"application":"<app 1>","user":"00unosuchuser0000000"}`},
		wrong: []wrong{{`{"application":"<app 0>","user":"<member of Engineering>"}`, "assigned_through_group"}, {`{"application":"<app 0>","user":"ada.lovelace"}`, "short_name"},
			{`{"application":"<app 0>","user":"me"}`, "short_name"}},
		fields: map[string]string{"application": `"application":"<app 2>"`, "user": `"user":"alan.turing@example.com"`, "send_email": `"send_email":true`},
	},
	"assign_application_group": {
		good: []good{
			{in: `{"application":"<app 2>","group":"Engineering"}`, events: "group.application_assignment.add"},
			{in: `{"application":"<app 0>","group":"<group Engineering>","priority":7}`, events: "group.application_assignment.update"},
		},
		missing: []string{`{"application":"0oanosuchapp00000000","group":"Engineering"}`, `{"application":"<app 2>","group":"No such group"}`, `{"application":"<app 2>","group":"00gnosuchgroup000000"}`},
		wrong:   []wrong{{`{"application":"<app 1>","group":"Engineering"}`, "status"}},
		fields:  map[string]string{"application": `"application":"<app 0>"`, "group": `"group":"IT Operations"`, "priority": `"priority":3`, "profile": `"profile":{"role":"reader"}`},
	},
	"unassign_application_group": {
		good:    []good{{in: `{"application":"<app 0>","group":"Engineering"}`, events: "group.application_assignment.remove"}},
		missing: []string{`{"application":"0oanosuchapp00000000","group":"Engineering"}`, `{"application":"<app 2>","group":"No such group"}`, `{"application":"<app 2>","group":"00gnosuchgroup000000"}`},
		fields:  map[string]string{"application": `"application":"<app 2>"`, "group": `"group":"IT Operations"`},
	},

	"list_factors": {good: reads(`{` + ada + `}`), missing: []string{`{` + none + `}`, `{"user":"00unosuchuser0000000"}`}, fields: map[string]string{"user": `"user":"alan.turing@example.com"`}},
	"reset_factor": {
		good:    []good{{in: `{` + ada + `,"factor":"sms"}`, events: "user.mfa.factor.deactivate"}, {in: `{` + ada + `,"factor":"<factor question>"}`, events: "user.mfa.factor.deactivate", asks: true}},
		missing: []string{`{` + none + `,"factor":"sms"}`, `{"user":"00unosuchuser0000000","factor":"sms"}`},
		wrong:   []wrong{{`{` + ada + `,"factor":"webauthn"}`, "ambiguous"}, {`{"user":"ada.lovelace","factor":"sms"}`, "short_name"}, {`{"user":"me","factor":"push"}`, "short_name"}},
		invalid: []string{`{` + ada + `,"factor":"SMS"}`, `{` + ada + `,"factor":"totp"}`, `{` + ada + `,"factor":"token:software"}`},
		fields:  map[string]string{"user": `"user":"alan.turing@example.com"`, "factor": `"factor":"call"`, "remove_recovery_enrollment": `"remove_recovery_enrollment":true`},
	},
	"reset_all_factors": {
		good:    []good{{in: `{` + ada + `}`, events: "user.mfa.factor.reset_all", again: abi.Succeeded, asks: true}},
		missing: []string{`{` + none + `}`, `{"user":"00unosuchuser0000000"}`},
		wrong:   []wrong{{`{"user":"<user DEPROVISIONED>"}`, "status"}, {`{"user":"<user STAGED>"}`, "status"}, {`{"user":"ada.lovelace"}`, "short_name"}},
		fields:  map[string]string{"user": `"user":"alan.turing@example.com"`},
	},
	"list_authenticators": {good: reads(`{}`)},
	"lookup_device":       {good: reads(`{"device":"<device ACTIVE>"}`), missing: []string{`{"device":"guonosuchdevice00000"}`}, fields: map[string]string{"device": `"device":"<device SUSPENDED>"`}},
	"list_devices": {
		good: reads(`{}`), wrong: []wrong{{`{"search":"nonsense"}`, "rejected"}},
		fields: map[string]string{"search": `"search":"status eq \"ACTIVE\""`, "expand": `"expand":"userSummary"`, "limit": `"limit":3`, "page_size": `"page_size":3`},
	},
	"list_user_devices": {good: reads(`{` + ada + `}`), missing: []string{`{` + none + `}`, `{"user":"00unosuchuser0000000"}`}, fields: map[string]string{"user": `"user":"alan.turing@example.com"`}},
	"device_lifecycle_action": {
		good: []good{
			{in: `{"device":"<device ACTIVE>","action":"suspend"}`, events: "device.lifecycle.suspend"},
			{in: `{"device":"<device DEACTIVATED>","action":"activate"}`, events: "device.lifecycle.activate"},
			{in: `{"device":"<device CREATED>","action":"activate"}`, events: "device.lifecycle.activate"},
			{in: `{"device":"<device SUSPENDED>","action":"unsuspend"}`, events: "device.lifecycle.unsuspend"},
			{in: `{"device":"<device SUSPENDED>","action":"deactivate"}`, events: "device.lifecycle.deactivate"},
			{in: `{"device":"<device ACTIVE>","action":"delete"}`, events: "device.lifecycle.deactivate device.lifecycle.delete"},
			{in: `{"device":"<device DEACTIVATED>","action":"delete"}`, events: "device.lifecycle.delete"},
		},
		missing: []string{`{"device":"guonosuchdevice00000","action":"suspend"}`},
		wrong: []wrong{{`{"device":"<device DEACTIVATED>","action":"suspend"}`, "status"}, {`{"device":"<device CREATED>","action":"unsuspend"}`, "status"},
			{`{"device":"<device CREATED>","action":"deactivate"}`, "status"}, {`{"device":"<device CREATED>","action":"delete"}`, "status"}, {`{"device":"<device SUSPENDED>","action":"activate"}`, "status"}},
		fields: map[string]string{"device": `"device":"<device DEACTIVATED>"`, "action": `"action":"deactivate"`},
	},
	"lookup_session": {good: reads(`{"session":"<session 0>"}`), missing: []string{`{"session":"102nosuchsession00000000"}`}, fields: map[string]string{"session": `"session":"<session 1>"`}},
	"revoke_session": {
		good: []good{
			{in: `{` + ada + `,"oauth_tokens":true}`, events: "app.oauth2.token.revoke.implicit.user user.session.clear", again: abi.Succeeded},
			{in: `{"session":"<session 0>"}`, events: "user.session.end"},
		},
		missing: []string{`{` + none + `}`, `{"user":"00unosuchuser0000000"}`},
		wrong:   []wrong{{`{"user":"ada.lovelace"}`, "short_name"}, {`{"user":"me"}`, "short_name"}},
		invalid: []string{`{}`, `{"session":"x",` + ada + `}`, `{"session":"x","oauth_tokens":true}`, `{"session":"x","forget_devices":false}`},
		base:    `{` + ada + `}`,
		fields: map[string]string{"user": `"user":"alan.turing@example.com"`, "session": `"user":null,"session":"<session 0>"`, "oauth_tokens": `"oauth_tokens":true`,
			"forget_devices": `"forget_devices":false`},
	},

	"list_policies": {
		good:   reads(`{}`, `{"type":"PASSWORD"}`),
		fields: map[string]string{"type": `"type":"PASSWORD"`, "status": `"status":"INACTIVE"`, "q": `"q":"Default"`, "expand": `"expand":"rules"`, "limit": `"limit":1`},
	},
	"get_policy": {
		good: reads(`{"policy":"<policy PASSWORD>"}`, `{"policy":"<policy PASSWORD>","include_rules":true}`), missing: []string{`{"policy":"00pnosuchpolicy00000"}`, `{"policy":"00pnosuchpolicy00000","include_rules":true}`},
		fields: map[string]string{"policy": `"policy":"<policy MFA_ENROLL>"`, "include_rules": `"include_rules":true`},
	},
	"list_policy_rules": {
		good: reads(`{"policy":"<policy OKTA_SIGN_ON>"}`), missing: []string{`{"policy":"00pnosuchpolicy00000"}`},
		fields: map[string]string{"policy": `"policy":"<policy PASSWORD>"`},
	},
	"list_policy_mappings": {
		good: reads(`{"policy":"<policy ACCESS_POLICY>"}`), missing: []string{`{"policy":"00pnosuchpolicy00000"}`},
		fields: map[string]string{"policy": `"policy":"<policy PASSWORD>"`},
	},
	"update_policy": {
		seldom: []string{`{"policy":"<inactive policy>","patch":{"status":"ACTIVE"}}`},
		good: []good{{in: `{"policy":"<policy PASSWORD>","patch":{"description":"Reviewed"}}`, events: "policy.lifecycle.update"},
			{in: `{"policy":"<policy of contractors>","patch":{"status":"INACTIVE"}}`, events: "policy.lifecycle.deactivate"},
			{in: `{"policy":"<policy of contractors>","patch":{"status":"INACTIVE","description":"x"}}`, events: "policy.lifecycle.deactivate policy.lifecycle.update"}},
		missing: []string{`{"policy":"00pnosuchpolicy00000","patch":{"description":"x"}}`},
		wrong: []wrong{{`{"policy":"<policy PASSWORD>","patch":{"name":"Mine"}}`, "rejected"}, {`{"policy":"<policy IDP_DISCOVERY>","patch":{"description":"x"}}`, "policy_type"},
			{`{"policy":"<policy PASSWORD>","patch":{"status":"INACTIVE"}}`, "default_policy"}},
		invalid: []string{`{"policy":"<policy PASSWORD>","patch":{}}`, `{"policy":"<policy PASSWORD>","patch":{"id":"x"}}`, `{"policy":"<policy PASSWORD>","patch":{"type":"x"}}`, `{"policy":"<policy PASSWORD>","patch":{"name":null}}`},
		fields:  map[string]string{"policy": `"policy":"<policy MFA_ENROLL>"`, "patch": `"patch":{"priority":9}`},
	},
	"policy_lifecycle_action": {
		good: []good{
			{in: `{"policy":"<policy of contractors>","action":"deactivate"}`, events: "policy.lifecycle.deactivate"},
			{in: `{"policy":"<inactive policy>","action":"activate"}`, events: "policy.lifecycle.activate"},
		},
		missing: []string{`{"policy":"00pnosuchpolicy00000","action":"activate"}`},
		wrong:   []wrong{{`{"policy":"<policy PASSWORD>","action":"deactivate"}`, "default_policy"}},
		fields:  map[string]string{"policy": `"policy":"<policy MFA_ENROLL>"`, "action": `"action":"activate"`},
	},
	"policy_rule_lifecycle_action": {
		good: []good{
			{in: `{"policy":"<policy of contractors>","rule":"<policy rule>","action":"deactivate"}`, events: "policy.rule.deactivate"},
			{in: `{"policy":"<policy of contractors>","rule":"<inactive policy rule>","action":"activate"}`, events: "policy.rule.activate"},
		},
		missing: []string{`{"policy":"00pnosuchpolicy00000","rule":"<policy rule>","action":"activate"}`, `{"policy":"<policy of contractors>","rule":"0prnosuchrule0000000","action":"activate"}`},
		wrong:   []wrong{{`{"policy":"<policy PASSWORD>","rule":"<default policy rule>","action":"deactivate"}`, "default_rule"}},
		fields:  map[string]string{"policy": `"policy":"<policy PASSWORD>"`, "rule": `"rule":"<default policy rule>"`, "action": `"action":"activate"`},
	},
	"group_rule_lifecycle_action": {
		good: []good{
			{in: `{"rule":"<group rule>","action":"activate"}`, events: "policy.rule.activate"},
			{in: `{"rule":"<active group rule>","action":"deactivate"}`, events: "policy.rule.deactivate"},
		},
		missing: []string{`{"rule":"0prnosuchrule0000000","action":"activate"}`},
		wrong:   []wrong{{`{"rule":"<invalid group rule>","action":"deactivate"}`, "status"}},
		fields:  map[string]string{"rule": `"rule":"0prnosuchrule0000000"`, "action": `"action":"deactivate"`},
	},
	"create_zone": {
		good: []good{
			{in: `{"name":"Head office","gateways":["192.0.2.0/24","2001:db8::1"],"proxies":["10.0.0.1-10.0.0.9"]}`, events: "zone.create", again: abi.Rejected},
			{in: `{"name":"Head office","usage":"BLOCKLIST","gateways":["192.0.2.7"]}`, events: "zone.create", again: abi.Rejected},
			{in: `{"name":"Hosting","dynamic":{"type":"DYNAMIC_V2","asns":{"include":["64496"]},"locations":{"exclude":[{"country":"BE","region":"BE-VAN"}]}}}`, events: "zone.create", again: abi.Rejected},
			{in: `{"name":"Hosting","usage":"BLOCKLIST","dynamic":{"type":"DYNAMIC","proxyType":"Tor"}}`, events: "zone.create", again: abi.Rejected},
		},
		wrong: []wrong{{`{"name":"Offices","gateways":["192.0.2.7"]}`, "name_taken"}, {`{"name":"Everybody","usage":"BLOCKLIST","gateways":["0.0.0.0/0"]}`, "locks_out"},
			{`{"name":"Everybody","usage":"BLOCKLIST","dynamic":{"type":"DYNAMIC","proxyType":"Any"}}`, "locks_out"}},
		invalid: []string{`{"name":"x"}`, `{"name":"x","gateways":["192.0.2.7"],"dynamic":{"type":"DYNAMIC","proxyType":"Tor"}}`, `{"name":"x","gateways":["300.1.2.3"]}`, `{"name":"x","dynamic":{"type":"DYNAMIC"}}`,
			`{"name":"x","dynamic":{"type":"DYNAMIC","name":"y"}}`, `{"name":"x","dynamic":{"proxyType":"Tor","asns":[]}}`},
		base: `{"name":"Head office","gateways":["192.0.2.7"]}`,
		fields: map[string]string{"name": `"name":"Branch"`, "usage": `"usage":"BLOCKLIST"`, "gateways": `"gateways":["192.0.2.8"]`, "proxies": `"proxies":["192.0.2.9"]`,
			"dynamic": `"gateways":null,"dynamic":{"type":"DYNAMIC","proxyType":"Tor"}`, "allow_wide": `"usage":"BLOCKLIST","gateways":["0.0.0.0/0"],"allow_wide":true`},
	},
	"zone_lifecycle_action": {
		good: []good{
			{in: `{"zone":"<zone Offices>","action":"deactivate"}`, events: "zone.deactivate"},
			{in: `{"zone":"Consumer networks","action":"activate"}`, events: "zone.activate"},
		},
		missing: []string{`{"zone":"nzonosuchzone0000000","action":"activate"}`, `{"zone":"No such zone","action":"activate"}`},
		wrong:   []wrong{{`{"zone":"<zone DefaultExemptIpZone>","action":"deactivate"}`, "zone_use"}, {`{"zone":"<inactive wide zone>","action":"activate"}`, "locks_out"}},
		base:    `{"zone":"<inactive wide zone>","action":"activate"}`,
		fields:  map[string]string{"zone": `"zone":"<zone Consumer networks>"`, "action": `"action":"deactivate"`, "allow_wide": `"allow_wide":true`},
	},
	"list_zones": {
		good: reads(`{}`), wrong: []wrong{{`{"filter":"nonsense"}`, "rejected"}},
		fields: map[string]string{"filter": `"filter":"usage eq \"BLOCKLIST\""`, "limit": `"limit":1`},
	},
	"get_zone": {seldom: []string{`{"zone":"Consumer networks"}`}, good: reads(`{"zone":"<zone Offices>"}`), missing: []string{`{"zone":"nzonosuchzone0000000"}`}, fields: map[string]string{"zone": `"zone":"<zone BlockedIpZone>"`}},
	"update_zone": {
		good: []good{
			{in: `{"zone":"<zone BlockedIpZone>","add_gateways":["192.0.2.7","2001:db8::/32"]}`, events: "zone.update"},
			{in: `{"zone":"<zone Offices>","remove_gateways":["198.51.100.0/24"]}`, events: "zone.update"},
			{in: `{"zone":"<zone DefaultExemptIpZone>","add_gateways":["192.0.2.7"]}`, events: "zone.update"},
			{in: `{"zone":"<zone Consumer networks>","patch":{"status":"ACTIVE"}}`, events: "zone.activate"}, // by a separate request
			{in: `{"zone":"Anonymizers","patch":{"status":"INACTIVE","name":"Tor"}}`, events: "zone.deactivate zone.update", again: abi.NotFound},
		},
		missing: []string{`{"zone":"nzonosuchzone0000000","add_gateways":["192.0.2.7"]}`},
		wrong: []wrong{{`{"zone":"<zone Anonymizers>","add_gateways":["192.0.2.7"]}`, "zone_type"}, {`{"zone":"<zone Offices>","remove_gateways":["198.51.100.7"]}`, "overlap"},
			{`{"zone":"<zone BlockedIpZone>","patch":{"name":"x"}}`, "rejected"}, {`{"zone":"<zone BlockedIpZone>","add_gateways":["0.0.0.0/0"]}`, "locks_out"},
			{`{"zone":"<zone BlockedIpZone>","add_gateways":["::/0"]}`, "locks_out"},
			{`{"zone":"<zone Offices>","patch":{"useAsExemptList":true}}`, "zone_use"}},
		invalid: []string{`{"zone":"<zone Offices>"}`, `{"zone":"<zone Offices>","add_gateways":["300.1.2.3"]}`, `{"zone":"<zone Offices>","add_gateways":["10.0.0.0/40"]}`,
			`{"zone":"<zone Offices>","add_gateways":["10.0.0.9-10.0.0.1"]}`, `{"zone":"<zone Offices>","add_proxies":["x"]}`, `{"zone":"<zone Offices>","patch":{"type":"DYNAMIC"}}`,
			`{"zone":"<zone Offices>","add_gateways":["10.0.0.1"],"remove_gateways":["10.0.0.1/32"]}`, `{"zone":"<zone Offices>","patch":{"gateways":[]},"add_gateways":["10.0.0.1"]}`,
			`{"zone":"<zone Offices>","add_gateways":["10.0.0.0/8"],"remove_gateways":["10.0.0.1"]}`, `{"zone":"<zone Offices>","allow_wide":true}`},
		fields: map[string]string{"zone": `"zone":"<zone Offices>"`, "patch": `"patch":{"status":"INACTIVE"}`, "add_gateways": `"add_gateways":["192.0.2.8"]`,
			"remove_gateways": `"zone":"<zone Offices>","remove_gateways":["198.51.100.0/24"]`, "add_proxies": `"add_proxies":["192.0.2.9"]`, "remove_proxies": `"patch":{"proxies":[{"type":"CIDR","value":"10.0.0.0/8"}]}`,
			"allow_wide": `"add_gateways":["0.0.0.0/0"],"allow_wide":true`},
	},

	"list_authorization_servers": {good: reads(`{}`), fields: map[string]string{"q": `"q":"default"`, "limit": `"limit":1`}},
	"list_scopes": {
		good: reads(`{"authorization_server":"default"}`), missing: []string{`{"authorization_server":"ausnosuchserver00000"}`},
		fields: map[string]string{"authorization_server": `"authorization_server":"<server 1>"`, "q": `"q":"openid"`, "filter": `"filter":"name eq \"openid\""`, "limit": `"limit":1`},
	},
	"list_claims": {
		good: reads(`{"authorization_server":"default"}`), missing: []string{`{"authorization_server":"ausnosuchserver00000"}`},
		fields: map[string]string{"authorization_server": `"authorization_server":"<server 1>"`},
	},
	"list_oauth_clients": {
		good: reads(`{}`, `{"authorization_server":"default"}`), missing: []string{`{"authorization_server":"ausnosuchserver00000"}`}, invalid: []string{`{"authorization_server":"default","q":"x"}`},
		fields: map[string]string{"authorization_server": `"authorization_server":"default"`, "q": `"q":"Client"`, "limit": `"limit":1`},
	},
	"list_identity_providers": {
		good: reads(`{}`, `{"type":"OIDC"}`), base: `{}`,
		fields: map[string]string{"q": `"q":"portal"`, "type": `"type":"GOOGLE"`, "limit": `"limit":1`, "page_size": `"page_size":1`},
	},
	"list_trusted_origins": {
		good: reads(`{}`, `{"filter":"type eq \"CORS\""}`), wrong: []wrong{{`{"filter":"nonsense"}`, "rejected"}},
		fields: map[string]string{"filter": `"filter":"status eq \"INACTIVE\""`, "q": `"q":"https://s"`, "limit": `"limit":1`, "page_size": `"page_size":1`},
	},
	"list_event_hooks": {good: reads(`{}`)},
	"list_log_streams": {
		good:    reads(`{}`, `{"type":"aws_eventbridge"}`, `{"status":"INACTIVE"}`),
		wrong:   []wrong{{`{"filter":"name eq \"x\""}`, "rejected"}, {`{"filter":"type eq \"aws_eventbridge\" and status eq \"ACTIVE\""}`, "rejected"}, {`{"filter":"status eq \"ACTIVE\" or status eq \"INACTIVE\""}`, "rejected"}},
		invalid: []string{`{"type":"aws_eventbridge","status":"ACTIVE"}`, `{"filter":"status eq \"ACTIVE\"","status":"ACTIVE"}`},
		fields:  map[string]string{"type": `"type":"aws_eventbridge"`, "status": `"status":"INACTIVE"`, "filter": `"filter":"type eq \"aws_eventbridge\""`, "limit": `"limit":1`, "page_size": `"page_size":1`},
	},
	"list_behaviors":     {good: reads(`{}`)},
	"get_threat_insight": {good: reads(`{}`)},
	"list_roles": {
		good:    reads(`{}`, `{`+ada+`}`, `{"group":"<group IT Operations>"}`, `{"group":"IT Operations"}`, `{"client":"<client 0>"}`),
		missing: []string{`{` + none + `}`, `{"user":"00unosuchuser0000000"}`, `{"group":"00gnosuchgroup000000"}`, `{"group":"No such group"}`, `{"client":"0oanosuchclient00000"}`},
		invalid: []string{`{` + ada + `,"group":"x"}`, `{` + ada + `,"client":"x"}`, `{"group":"x","client":"x"}`},
		fields:  map[string]string{"user": ada, "group": `"group":"IT Operations"`, "client": `"client":"<client 0>"`, "limit": `"limit":1`},
	},
	"get_role": {
		good: reads(`{"role":"<role 0>"}`, `{"role":"Password Desk"}`, `{"user":"<user owner>","role":"<role of owner>"}`, `{"user":"robin.keeper@example.com","role":"<role of owner>"}`,
			`{"group":"IT Operations","role":"<role of IT Operations>"}`),
		missing: []string{`{"role":"No such role"}`, `{` + none + `,"role":"x"}`, `{` + ada + `,"role":"IFIFAX2BIRGUSTQ"}`, `{"group":"00gnosuchgroup000000","role":"x"}`, `{"client":"<client 0>","role":"IFIFAX2BIRGUSTQ"}`},
		invalid: []string{`{"role":"x",` + ada + `,"group":"x"}`},
		fields:  map[string]string{"role": `"role":"<role 1>"`, "user": ada, "group": `"group":"IT Operations"`, "client": `"client":"<client 0>"`},
	},
	"assign_role": {
		good: []good{
			{in: `{` + ada + `,"type":"HELP_DESK_ADMIN"}`, events: "user.account.privilege.grant"},
			{in: `{` + ada + `,"role":"<role 0>","resource_set":"<set 0>"}`, events: "iam.resourceset.bindings.add user.account.privilege.grant"},
			{in: `{"group":"Engineering","type":"APP_ADMIN"}`, events: "group.privilege.grant"},
			{in: `{"client":"<client 0>","type":"HELP_DESK_ADMIN"}`, events: "app.oauth2.client.privilege.grant"},
		},
		missing: []string{`{` + none + `,"type":"APP_ADMIN"}`, `{"group":"00gnosuchgroup000000","type":"APP_ADMIN"}`, `{"group":"No such group","type":"APP_ADMIN"}`, `{"client":"0oanosuchclient00000","type":"APP_ADMIN"}`},
		wrong: []wrong{{`{` + ada + `,"role":"cr0nosuchrole0000000","resource_set":"<set 0>"}`, "rejected"},
			{`{"user":"ada.lovelace","type":"APP_ADMIN"}`, "short_name"}, {`{"user":"me","type":"APP_ADMIN"}`, "short_name"}},
		invalid: []string{`{"type":"APP_ADMIN"}`, `{` + ada + `,"group":"b","type":"APP_ADMIN"}`, `{` + ada + `}`, `{` + ada + `,"role":"b"}`, `{` + ada + `,"resource_set":"b"}`, `{` + ada + `,"type":"CUSTOM"}`,
			`{` + ada + `,"type":"APP_ADMIN","role":"b","resource_set":"c"}`, `{` + ada + `,"type":"SUPERADMIN"}`},
		fields: map[string]string{"user": `"user":"alan.turing@example.com"`, "group": `"user":null,"group":"Engineering"`, "client": `"user":null,"client":"<client 0>"`, "type": `"type":"APP_ADMIN"`,
			"role": `"type":null,"role":"<role 0>","resource_set":"<set 0>"`, "resource_set": `"type":null,"role":"<role 0>","resource_set":"<set 1>"`, "disable_notifications": `"disable_notifications":true`},
	},
	"revoke_role": {
		good: []good{
			{in: `{"user":"<user with a role>","type":"APP_ADMIN"}`, events: "user.account.privilege.revoke"},
			{in: `{"user":"ada.lovelace@example.com","role_assignment":"<role of ada>"}`, events: "user.account.privilege.revoke"},
			{in: `{"group":"IT Operations","type":"HELP_DESK_ADMIN"}`, events: "group.privilege.revoke"},
			{in: `{"client":"<client with a role>","type":"APP_ADMIN"}`, events: "app.oauth2.client.privilege.revoke"},
		},
		missing: []string{`{` + none + `,"type":"APP_ADMIN"}`, `{"group":"00gnosuchgroup000000","type":"APP_ADMIN"}`, `{"group":"No such group","type":"APP_ADMIN"}`, `{"client":"0oanosuchclient00000","type":"APP_ADMIN"}`},
		wrong: []wrong{{`{"user":"<member of IT Operations>","type":"HELP_DESK_ADMIN"}`, "through_group"}, {`{"user":"<user owner>","type":"SUPER_ADMIN"}`, "own_account"}, {`{"user":"robin.keeper@example.com","role_assignment":"<role of owner>"}`, "own_account"},
			{`{"user":"robin.keeper","type":"SUPER_ADMIN"}`, "short_name"},
			{`{"user":"me","type":"SUPER_ADMIN"}`, "short_name"}},
		invalid: []string{`{"type":"APP_ADMIN"}`, `{` + ada + `,"group":"b","type":"APP_ADMIN"}`, `{` + ada + `}`, `{` + ada + `,"type":"APP_ADMIN","role_assignment":"IFIFAX2BIRGUSTQ"}`, `{` + ada + `,"type":"CUSTOM"}`,
			`{` + ada + `,"type":"SUPERADMIN"}`, `{` + ada + `,"type":"help_desk_admin"}`, `{` + ada + `,"role_assignment":"APP_ADMIN"}`},
		fields: map[string]string{"user": ada, "group": `"user":null,"group":"IT Operations"`, "client": `"user":null,"client":"<client 0>"`, "type": `"type":"USER_ADMIN"`,
			"role_assignment": `"type":null,"role_assignment":"KVJUKUS7IFCE2SKO"`},
	},
	"list_administrators": {good: reads(`{}`), fields: map[string]string{"limit": `"limit":1`}},
	"add_role_target": {
		good: []good{
			{in: `{"user":"<given ada APP_ADMIN 0>","role":"APP_ADMIN","target_application":"<app 0>"}`, events: "user.account.privilege.grant"},
			{in: `{"group":"<group IT Operations>","role":"HELP_DESK_ADMIN","target_group":"<group Contractors>"}`, events: "group.privilege.grant"},
			{in: `{"user":"<given ada HELP_DESK_ADMIN 0>","role":"HELP_DESK_ADMIN","target_group":"<group Engineering>"}`, events: "user.account.privilege.grant"},
			{in: `{"group":"<given engineering APP_ADMIN 0>","role":"APP_ADMIN","target_application":"<app 0>"}`, events: "group.privilege.grant"},
			{in: `{"client":"<given client0 APP_ADMIN 0>","role":"APP_ADMIN","target_application":"<app 0>"}`, events: "app.oauth2.client.privilege.grant"},
			{in: `{"client":"<given client1 HELP_DESK_ADMIN 0>","role":"HELP_DESK_ADMIN","target_group":"<group Engineering>"}`, events: "app.oauth2.client.privilege.grant"},
		},
		missing: []string{`{` + none + `,"role":"APP_ADMIN","target_application":"<app 0>"}`, `{` + ada + `,"role":"APP_ADMIN","target_application":"<app 0>"}`, `{"group":"00gnosuchgroup000000","role":"APP_ADMIN","target_application":"<app 0>"}`,
			`{"client":"0oanosuchclient00000","role":"APP_ADMIN","target_application":"<app 0>"}`, `{"client":"<given client0 APP_ADMIN 0>","role":"APP_ADMIN","target_application":"0oanosuchapp00000000"}`},
		wrong: []wrong{{`{"user":"<user owner>","role":"SUPER_ADMIN","target_group":"<group Engineering>"}`, "role_type"}, {`{"user":"<given ada APP_ADMIN 0>","role":"APP_ADMIN","target_group":"<group Engineering>"}`, "role_type"},
			{`{"user":"<member of IT Operations>","role":"HELP_DESK_ADMIN","target_group":"<group Contractors>"}`, "through_group"}, {`{"user":"ada.lovelace","role":"APP_ADMIN","target_application":"<app 0>"}`, "short_name"},
			{`{"group":"<group IT Operations>","role":"HELP_DESK_ADMIN","target_group":"00gnosuchgroup000000"}`, "rejected"}},
		invalid: []string{`{"role":"APP_ADMIN","target_application":"x"}`, `{` + ada + `,"role":"APP_ADMIN"}`, `{` + ada + `,"role":"APP_ADMIN","target_application":"x","target_group":"x"}`, `{` + ada + `,"client":"x","role":"APP_ADMIN","target_group":"x"}`},
		base:    `{"group":"<group IT Operations>","role":"HELP_DESK_ADMIN","target_group":"<group Contractors>"}`,
		fields: map[string]string{"user": `"group":null,"user":"<member of IT Operations>"`, "group": `"group":"<group Engineering>"`, "client": `"group":null,"client":"<client 0>"`,
			"role": `"role":"APP_ADMIN"`, "target_group": `"target_group":"<group Engineering>"`, "target_application": `"target_group":null,"target_application":"<app 0>"`},
	},
	"remove_role_target": {
		good: []good{
			{in: `{"user":"<given ada APP_ADMIN 2>","role":"APP_ADMIN","target_application":"<app 0>"}`, events: "user.account.privilege.grant"},
			{in: `{"group":"<group IT Operations>","role":"HELP_DESK_ADMIN","target_group":"<group Engineering>"}`, events: "group.privilege.grant"},
			{in: `{"user":"<given ada HELP_DESK_ADMIN 2>","role":"HELP_DESK_ADMIN","target_group":"<group Engineering>"}`, events: "user.account.privilege.grant"},
			{in: `{"group":"<given engineering APP_ADMIN 2>","role":"APP_ADMIN","target_application":"<app 0>"}`, events: "group.privilege.grant"},
			{in: `{"client":"<given client0 APP_ADMIN 2>","role":"APP_ADMIN","target_application":"<app 0>"}`, events: "app.oauth2.client.privilege.grant"},
			{in: `{"client":"<given client1 HELP_DESK_ADMIN 2>","role":"HELP_DESK_ADMIN","target_group":"<group Engineering>"}`, events: "app.oauth2.client.privilege.grant"},
		},
		missing: []string{`{` + none + `,"role":"APP_ADMIN","target_application":"<app 0>"}`, `{` + ada + `,"role":"APP_ADMIN","target_application":"<app 0>"}`, `{"group":"00gnosuchgroup000000","role":"APP_ADMIN","target_application":"<app 0>"}`,
			`{"client":"0oanosuchclient00000","role":"APP_ADMIN","target_application":"<app 0>"}`},
		wrong: []wrong{{`{"user":"<user owner>","role":"SUPER_ADMIN","target_group":"<group Engineering>"}`, "role_type"}, {`{"user":"<given ada APP_ADMIN 1>","role":"APP_ADMIN","target_application":"<app 0>"}`, "last_target"},
			{`{"user":"<member of IT Operations>","role":"HELP_DESK_ADMIN","target_group":"<group Engineering>"}`, "through_group"}, {`{"user":"ada.lovelace","role":"APP_ADMIN","target_application":"<app 0>"}`, "short_name"}},
		invalid: []string{`{"role":"APP_ADMIN","target_application":"x"}`, `{` + ada + `,"role":"APP_ADMIN"}`, `{` + ada + `,"role":"APP_ADMIN","target_application":"x","target_group":"x"}`, `{` + ada + `,"client":"x","role":"APP_ADMIN","target_group":"x"}`},
		base:    `{"group":"<group IT Operations>","role":"HELP_DESK_ADMIN","target_group":"<group Engineering>"}`,
		fields: map[string]string{"user": `"group":null,"user":"<member of IT Operations>"`, "group": `"group":"<group Engineering>"`, "client": `"group":null,"client":"<client 0>"`,
			"role": `"role":"APP_ADMIN"`, "target_group": `"target_group":"<group Équipe Ventes>"`, "target_application": `"target_group":null,"target_application":"<app 0>"`},
	},
	"list_role_targets": {
		seldom: []string{`{"user":"<user with a role>","role":"APP_ADMIN"}`, `{"group":"<group with a role>","role":"APP_ADMIN"}`, `{"client":"<client with a role>","role":"APP_ADMIN"}`,
			`{"client":"<other client with a role>","role":"HELP_DESK_ADMIN"}`},
		good: reads(`{"user":"<member of IT Operations>","role":"HELP_DESK_ADMIN"}`, `{"group":"IT Operations","role":"HELP_DESK_ADMIN"}`,
			`{"group":"<group IT Operations>","role":"<role of IT Operations>"}`),
		base: `{"group":"IT Operations","role":"HELP_DESK_ADMIN"}`,
		missing: []string{`{` + none + `,"role":"APP_ADMIN"}`, `{` + ada + `,"role":"APP_ADMIN"}`, `{"group":"00gnosuchgroup000000","role":"APP_ADMIN"}`, `{"group":"No such group","role":"APP_ADMIN"}`,
			`{"client":"0oanosuchclient00000","role":"APP_ADMIN"}`},
		wrong:   []wrong{{`{"user":"<user owner>","role":"SUPER_ADMIN"}`, "role_type"}},
		invalid: []string{`{"role":"APP_ADMIN"}`, `{` + ada + `,"group":"x","role":"APP_ADMIN"}`},
		fields: map[string]string{"user": `"group":null,"user":"<member of IT Operations>"`, "group": `"group":"Engineering"`, "client": `"group":null,"client":"<client 0>"`,
			"role": `"role":"APP_ADMIN"`, "limit": `"limit":1`},
	},
	"list_resource_sets": {good: reads(`{}`), fields: map[string]string{"limit": `"limit":1`}},
	"list_api_tokens":    {good: reads(`{}`), fields: map[string]string{"limit": `"limit":1`}},
	"list_user_types":    {good: reads(`{}`), fields: map[string]string{"limit": `"limit":1`}},
	"get_user_schema": {
		good: reads(`{}`, `{"type":"<user type>"}`, `{"type":"<other user type>"}`), missing: []string{`{"type":"otynosuchtype0000000"}`},
		fields: map[string]string{"type": `"type":"<other user type>"`},
	},
	"revoke_user_grants": {
		good: []good{
			{in: `{` + ada + `}`, events: "app.oauth2.as.consent.revoke.user"},
			{in: `{` + ada + `,"client":"<client 0>"}`, events: "app.oauth2.as.consent.revoke.user.client"},
		},
		missing: []string{`{` + none + `}`, `{"user":"00unosuchuser0000000"}`},
		wrong:   []wrong{{`{"user":"ada.lovelace"}`, "short_name"}},
		fields:  map[string]string{"user": `"user":"alan.turing@example.com"`, "client": `"client":"<client 1>"`},
	},
	"list_user_grants": {
		good: reads(`{` + ada + `}`), missing: []string{`{` + none + `}`, `{"user":"00unosuchuser0000000"}`},
		fields: map[string]string{"user": `"user":"robin.keeper@example.com"`, "scope": `"scope":"openid"`, "expand": `"expand":"scope"`, "limit": `"limit":1`, "page_size": `"page_size":1`},
	},
	"inventory_export": {
		good: reads(`{}`, `{"kinds":["groups","group_members"],"limit_per_kind":2}`, `{"kinds":["user_factors"]}`, `{"kinds":["user_roles"]}`, `{"kinds":["group_roles"]}`,
			`{"kinds":["client_roles","policy_rules","group_rules","group_owners","application_groups"]}`,
			`{"kinds":["identity_providers","trusted_origins","api_tokens","event_hooks","log_streams"]}`),
		fields: map[string]string{"kinds": `"kinds":["zones"]`, "limit_per_kind": `"limit_per_kind":1`},
	},
}

var place = regexp.MustCompile(`<([^<>]+)>`)

// fill replaces the places of an input by ids of the org.
func (w world) fill(t *testing.T, input string) string {
	t.Helper()
	find := func(all []json.RawMessage, path []string, want, id string) string {
		for _, o := range all {
			if get(t, o, path...) == want {
				return get(t, o, id)
			}
		}
		t.Fatalf("no object is %v %s", path, want)
		return ""
	}
	nth := func(all []json.RawMessage, n, id string) string {
		i, err := strconv.Atoi(n)
		if err != nil || i >= len(all) {
			t.Fatalf("%s: index out of range, %d objects", n, len(all))
		}
		return get(t, all[i], id)
	}
	user := func(login string) string {
		u, ok := w.org.User(login)
		if !ok {
			t.Fatalf("no user %s", login)
		}
		return get(t, u, "id")
	}
	roles, sets := w.org.CustomRoles()
	return place.ReplaceAllStringFunc(input, func(p string) string {
		p = strings.Trim(p, "<>")
		kind, of, _ := strings.Cut(p, " ")
		i, _ := strconv.Atoi(of)
		switch {
		case p == "user ada":
			return user("ada.lovelace@example.com")
		case p == "inactive policy":
			id := find(w.org.Policies(), []string{"name"}, "Contractors", "id")
			w.do(t, abi.Succeeded, "update_policy", `{"policy":"`+id+`","patch":{"status":"INACTIVE"}}`)
			return id
		case p == "policy rule":
			return nth(w.org.PolicyRules(find(w.org.Policies(), []string{"name"}, "Contractors", "id")), "0", "id")
		case p == "inactive policy rule":
			policy := find(w.org.Policies(), []string{"name"}, "Contractors", "id")
			id := nth(w.org.PolicyRules(policy), "0", "id")
			w.do(t, abi.Succeeded, "policy_rule_lifecycle_action", `{"policy":"`+policy+`","rule":"`+id+`","action":"deactivate"}`)
			return id
		case p == "default policy rule":
			return nth(w.org.PolicyRules(find(w.org.Policies(), []string{"type"}, "PASSWORD", "id")), "0", "id")
		case strings.HasSuffix(p, "group rule"):
			return w.groupRule(t, strings.TrimSuffix(p, "group rule"), w.groupOf(t, "OKTA_GROUP", "Équipe Ventes"))
		case p == "inactive wide zone":
			id := find(w.org.Zones(), []string{"name"}, "Anonymizers", "id")
			w.do(t, abi.Succeeded, "update_zone", `{"zone":"`+id+`","patch":{"proxyType":"Any","status":"INACTIVE"},"allow_wide":true}`)
			return id
		case p == "policy of contractors":
			return find(w.org.Policies(), []string{"name"}, "Contractors", "id")
		case p == "word of two group rules":
			for range 2 {
				w.groupRule(t, "", w.groupOf(t, "OKTA_GROUP", "Équipe Ventes"))
			}
			return "Rule"
		case p == "user owner":
			return user("robin.keeper@example.com")
		case p == "user with two applications":
			w.do(t, abi.Succeeded, "assign_application_user", `{"application":"`+nth(w.org.Applications(), "2", "id")+`",`+ada+`}`)
			return user("ada.lovelace@example.com")
		case p == "application with two groups":
			id := nth(w.org.Applications(), "0", "id")
			w.do(t, abi.Succeeded, "assign_application_group", `{"application":"`+id+`","group":"IT Operations"}`)
			return id
		case p == "user type":
			return w.org.UserTypes()[0]
		case p == "other user type":
			return w.org.UserTypes()[1]
		case kind == "realm":
			return w.org.Realms()[i]
		case p == "client with a role":
			id := nth(w.org.Clients(), "0", "client_id")
			w.do(t, abi.Succeeded, "assign_role", `{"client":"`+id+`","type":"APP_ADMIN"}`)
			return id
		case p == "other client with a role":
			id := nth(w.org.Clients(), "1", "client_id")
			w.do(t, abi.Succeeded, "assign_role", `{"client":"`+id+`","type":"HELP_DESK_ADMIN"}`)
			return id
		case p == "group with a role":
			id := w.groupOf(t, "OKTA_GROUP", "Engineering")
			w.do(t, abi.Succeeded, "assign_role", `{"group":"`+id+`","type":"APP_ADMIN"}`)
			return id
		case p == "user with a role", p == "role of ada":
			id := user("ada.lovelace@example.com")
			w.do(t, abi.Succeeded, "assign_role", `{"user":"`+id+`","type":"APP_ADMIN"}`)
			if p == "role of ada" {
				return nth(w.org.AssignedRoles(id), "0", "id")
			}
			return id
		case kind == "given":
			return w.givenRole(t, of)
		case p == "role of owner":
			return nth(w.org.AssignedRoles(user("robin.keeper@example.com")), "0", "id")
		case p == "role of IT Operations":
			return nth(w.org.AssignedRoles(w.groupOf(t, "OKTA_GROUP", "IT Operations")), "0", "id")
		case strings.HasPrefix(p, "member of "): // an active member without anything else
			for _, id := range w.org.Members(w.groupOf(t, "OKTA_GROUP", strings.TrimPrefix(p, "member of "))) {
				if u, _ := w.org.User(id); get(t, u, "status") == "ACTIVE" && !slices.Contains(w.org.UserIDs()[:5], id) {
					return id
				}
			}
			t.Fatalf("no user is a %s", p)
		case kind == "user":
			return w.userWith(t, of)
		case kind == "group":
			return find(w.org.Groups(), []string{"profile", "name"}, of, "id")
		case kind == "app":
			return nth(w.org.Applications(), of, "id")
		case kind == "device":
			return find(w.org.Devices(), []string{"status"}, of, "id")
		case kind == "factor":
			return find(w.org.Factors("ada.lovelace@example.com"), []string{"factorType"}, of, "id")
		case kind == "session":
			return nth(w.org.Sessions(), of, "id")
		case kind == "policy":
			return find(w.org.Policies(), []string{"type"}, of, "id")
		case kind == "zone":
			return find(w.org.Zones(), []string{"name"}, of, "id")
		case kind == "client":
			return nth(w.org.Clients(), of, "client_id")
		case kind == "server":
			return nth(w.org.AuthorizationServers(), of, "id")
		case kind == "role":
			return roles[i]
		case kind == "set":
			return sets[i]
		}
		t.Fatalf("unknown place <%s>", p)
		return ""
	})
}

// givenRole gives a role with targets to a user, group or client, and returns the principal's id. what is the principal, the
// role's type and the number of targets.
func (w world) givenRole(t *testing.T, what string) string {
	t.Helper()
	words := strings.Fields(what)
	kind, id := "/api/v1/users/", w.fill(t, "<user ada>")
	switch words[0] {
	case "engineering":
		kind, id = "/api/v1/groups/", w.groupOf(t, "OKTA_GROUP", "Engineering")
	case "client0", "client1":
		kind, id = "/oauth2/v1/clients/", w.fill(t, "<client "+words[0][len("client"):]+">")
	}
	role := ""
	for _, held := range w.org.AssignedRoles(id) {
		if get(t, held, "type") == words[1] {
			role = get(t, held, "id")
		}
	}
	if role == "" {
		role = w.send(t, http.MethodPost, kind+id+"/roles", `{"type":"`+words[1]+`"}`).Get("id").Str
	}
	targets := []string{"/targets/groups/" + w.groupOf(t, "OKTA_GROUP", "Engineering"), "/targets/groups/" + w.groupOf(t, "OKTA_GROUP", "Équipe Ventes")}
	if words[1] == "APP_ADMIN" {
		for i := range targets {
			targets[i] = "/targets/catalog/apps/" + get(t, w.org.Applications()[i], "name") + "/" + get(t, w.org.Applications()[i], "id")
		}
	}
	n, _ := strconv.Atoi(words[2])
	for _, target := range targets[:n] {
		w.send(t, http.MethodPut, kind+id+"/roles/"+role+target, "")
	}
	return id
}

// post sends a request to the org directly, without the connector.
func (w world) post(t *testing.T, path, body string) gjson.Result {
	t.Helper()
	return w.send(t, http.MethodPost, path, body)
}

func (w world) send(t *testing.T, method, path, body string) gjson.Result {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "SSWS "+w.org.Token())
	r.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	if w.org.ServeHTTP(answer, r); answer.Code >= 300 {
		t.Fatalf("%s: %d %s", path, answer.Code, answer.Body)
	}
	return gjson.ParseBytes(answer.Body.Bytes())
}

// groupRule creates a rule that adds nobody to a group, and returns its id. kind is "", "active " or "invalid ".
func (w world) groupRule(t *testing.T, kind, group string) string {
	t.Helper()
	id := w.post(t, "/api/v1/groups/rules", `{"type":"group_rule","name":"Rule `+strconv.Itoa(len(w.org.GroupRules()))+`","conditions":{"expression":{"type":"urn:okta:expression:1.0",`+
		`"value":"user.title==\"Captain\""}},"actions":{"assignUserToGroups":{"groupIds":["`+group+`"]}}}`).Get("id").Str
	switch kind {
	case "active ":
		w.post(t, "/api/v1/groups/rules/"+id+"/lifecycle/activate", "")
	case "invalid ":
		w.do(t, abi.Succeeded, "delete_group", `{"group":"`+group+`"}`)
	}
	return id
}

// casesConfig returns the org of the cases: a fixed time, small lists, and the attributes that the cases use.
func casesConfig() oktatest.Config {
	return oktatest.Config{Now: stillAt, GroupAttributes: []string{"site"}, RateLimits: map[string]int{"*": -1, "/api/v1/logs": -1}} // their windows would not end at a fixed time
}

// eachOperation runs a test for every operation of the module, with its cases.
func eachOperation(t *testing.T, test func(t *testing.T, op *abi.Operation, u use)) {
	if hosttest.Raced {
		t.Skip("calls are sequential, so there is no race to find")
	}
	ops := hosttest.Connector.Module(t).Manifest().Operations
	if len(ops) != len(uses) {
		t.Errorf("%d operations, and cases of %d", len(ops), len(uses))
	}
	for i := range ops {
		op := &ops[i]
		t.Run(op.Name, func(t *testing.T) {
			u, ok := uses[op.Name]
			if !ok {
				t.Fatal("cases are needed")
			}
			test(t, op, u)
		})
	}
}

// sent returns the requests that an org received since a mark, one per line.
func (w world) sent(from int) (lines []string) {
	for _, r := range w.org.Requests()[from:] {
		lines = append(lines, fmt.Sprintf("%s %s?%s %s", r.Method, r.Path, r.RawQuery, r.Body))
	}
	return lines
}
