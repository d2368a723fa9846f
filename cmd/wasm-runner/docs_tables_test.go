package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/host/hosttest"
)

// TestDocs_Tables_AreCurrent compares the generated parts of the documents with what the module and the runner say. -update
// writes them.
func TestDocs_Tables_AreCurrent(t *testing.T) {
	m := hosttest.Connector.Module(t).Manifest()
	var fields configSchema
	if err := json.Unmarshal(m.ConfigSchema, &fields); err != nil {
		t.Fatal(err)
	}
	parts := map[string]map[string]string{
		"docs/actions.md":       {"outcomes": outcomesTable()},
		"docs/operations.md":    {"operations": operationsTable(m, false), "additions": operationsTable(m, true), "roles": rolesTable(t, m)},
		"docs/configuration.md": {"fields": fields.table(t, fieldTexts, "limits"), "oauth": fields.Properties["oauth"].table(t, oauthTexts), "limits": fields.Properties["limits"].table(t, limitTexts)},
		"docs/sql.md":           {"views": viewsTable(m)},
		"docs/production.md":    {"metrics": metricsTable(t)},
		"docs/views.md":         columnsTables(m),
	}
	for document, generated := range parts {
		compareParts(t, document, generated)
	}
}

// compareParts compares the parts of a document between <!-- NAME: … --> and <!-- end of NAME --> with what was generated.
func compareParts(t *testing.T, document string, generated map[string]string) {
	t.Helper()
	path := filepath.Join(root, document)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := text
	for name, table := range generated {
		part := regexp.MustCompile(`(?s)(<!-- ` + name + `: [^\n]*-->\n).*?(<!-- end of ` + name + ` -->)`)
		if !part.Match(want) {
			t.Fatalf("%s has no part %q", document, name)
		}
		want = part.ReplaceAllFunc(want, func(old []byte) []byte {
			m := part.FindSubmatch(old)
			return []byte(string(m[1]) + "\n" + table + "\n" + string(m[2]))
		})
	}
	switch {
	case bytes.Equal(text, want):
	case !*update:
		t.Errorf("%s is stale: go test ./cmd/wasm-runner -run TestDocs -update", document)
	default:
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// columnsTables returns a table of the columns of each view that docs/views.md has.
func columnsTables(m *abi.Manifest) map[string]string {
	all := map[string]string{}
	for _, v := range m.Views {
		i := slices.IndexFunc(m.Operations, func(op abi.Operation) bool { return op.Name == v.Operation })
		b := table("column", "type", "what it is")
		if v.Of != nil {
			row(b, "`"+v.Of.As+"`", string(abi.Varchar), "the "+v.Of.Column+" of `"+v.Of.View+"`")
		}
		for _, c := range m.Operations[i].Columns {
			if c.Path != "" {
				row(b, "`"+c.Name+"`", string(c.Type), c.Description)
			}
		}
		all["columns of "+v.Name] = b.String()
	}
	return all
}

// row writes a row of a table.
func row(b *strings.Builder, cells ...string) {
	for _, cell := range cells {
		b.WriteString("| " + strings.ReplaceAll(cell, "|", `\|`) + " ")
	}
	b.WriteString("|\n")
}

// table begins a table.
func table(heads ...string) *strings.Builder {
	var b strings.Builder
	row(&b, heads...)
	b.WriteString(strings.Repeat("|---", len(heads)) + "|\n")
	return &b
}

// operationsTable returns the table of the operations that are additions, or of the published ones.
func operationsTable(m *abi.Manifest, additions bool) string {
	head := fmt.Sprintf("operation (%d)", len(m.Operations)-m.Additions())
	if additions {
		head = fmt.Sprintf("addition (%d)", m.Additions())
	}
	b := table(head, "class", "use", "what it does")
	for i := range m.Operations {
		op := &m.Operations[i]
		if op.Addition != additions {
			continue
		}
		class := string(op.Class)
		var others []string
		for _, r := range op.ClassRules {
			if !slices.Contains(others, string(r.Class)) {
				others = append(others, string(r.Class))
			}
		}
		if others != nil {
			class += " (by input: " + strings.Join(others, ", ") + ")"
		}
		var use []string
		for _, s := range op.Surfaces {
			use = append(use, map[abi.Surface]string{abi.Axon: "i", abi.Ingest: "s", abi.SQL: "t"}[s])
		}
		row(b, "`"+op.Name+"`", class, strings.Join(use, " "), cli.FirstSentence(op.Summary))
	}
	return b.String()
}

// Standard roles of Okta, from the least to the most.
const (
	readOnlyAdmin   = "Read-only Administrator"
	reportAdmin     = "Report Administrator, or Read-only Administrator"
	helpDeskAdmin   = "Help Desk Administrator (of the user's groups)"
	membershipAdmin = "Group Membership Administrator (of the group)"
	groupAdmin      = "Group Administrator (of the user's groups)"
	appAdmin        = "Application Administrator (of the app)"
	orgAdmin        = "Organization Administrator"
	superAdmin      = "Super Administrator"
)

var roleOrder = []string{reportAdmin, readOnlyAdmin, helpDeskAdmin, membershipAdmin, groupAdmin, appAdmin, orgAdmin, superAdmin}

// roleOfScope says which standard role has what a scope names.
var roleOfScope = map[string]string{
	"okta.logs.read": reportAdmin,
	"okta.apps.read": readOnlyAdmin, "okta.authenticators.read": readOnlyAdmin, "okta.authorizationServers.read": readOnlyAdmin, "okta.clients.read": readOnlyAdmin,
	"okta.devices.read": readOnlyAdmin, "okta.groups.read": readOnlyAdmin, "okta.networkZones.read": readOnlyAdmin, "okta.orgs.read": readOnlyAdmin,
	"okta.policies.read": readOnlyAdmin, "okta.sessions.read": readOnlyAdmin, "okta.users.read": readOnlyAdmin,
	"okta.behaviors.read": readOnlyAdmin, "okta.idps.read": readOnlyAdmin, "okta.threatInsights.read": readOnlyAdmin, "okta.trustedOrigins.read": readOnlyAdmin,
	"okta.eventHooks.read": superAdmin, "okta.logStreams.read": superAdmin,
	"okta.users.manage": groupAdmin, "okta.apps.manage": appAdmin,
	"okta.devices.manage": orgAdmin, "okta.groups.manage": orgAdmin, "okta.networkZones.manage": orgAdmin, "okta.policies.manage": orgAdmin, "okta.sessions.manage": orgAdmin,
	"okta.userTypes.read": readOnlyAdmin, "okta.schemas.read": readOnlyAdmin,
	"okta.roles.read": superAdmin, "okta.apiTokens.read": superAdmin, "okta.roles.manage": superAdmin,
}

// roleOfOperation names the operations for which another role suffices than for all that their scopes allow.
var roleOfOperation = map[string]string{
	"create_user": groupAdmin, "delete_group": orgAdmin, // the roles of a group are read where the token may
	"add_group_member": membershipAdmin, "remove_group_member": membershipAdmin,
	"reset_factor":          helpDeskAdmin,
	"reset_all_factors":     helpDeskAdmin,
	"revoke_session":        helpDeskAdmin + "; by session id " + orgAdmin,
	"user_lifecycle_action": helpDeskAdmin + " for unlock, expire_password, reset_password and reset_factors; else " + groupAdmin,
	"inventory_export":      readOnlyAdmin + "; without the role for a kind, the kind is in `skipped`",
}

func rolesTable(t *testing.T, m *abi.Manifest) string {
	b := table("operation", "standard role that normally suffices", "scopes")
	for _, op := range m.Operations {
		role, scopes := reportAdmin, map[string]bool{}
		for _, e := range op.Endpoints {
			for _, s := range e.Scopes {
				scopes[s] = true
				of := roleOfScope[s]
				if of == "" {
					t.Errorf("%s: no role is known for the scope %s: add it to roleOfScope", op.Name, s)
				}
				if slices.Index(roleOrder, of) > slices.Index(roleOrder, role) {
					role = of
				}
			}
		}
		row(b, "`"+op.Name+"`", cmp.Or(roleOfOperation[op.Name], role), "`"+strings.Join(slices.Sorted(maps.Keys(scopes)), "` `")+"`")
	}
	for name := range roleOfOperation {
		if !slices.ContainsFunc(m.Operations, func(op abi.Operation) bool { return op.Name == name }) {
			t.Errorf("roleOfOperation has %s, which is not an operation: remove it", name)
		}
	}
	return b.String()
}

func viewsTable(m *abi.Manifest) string {
	b := table("view", "operation", "comment")
	for _, v := range m.Views {
		comment := v.Comment
		if comment == "" {
			for _, op := range m.Operations {
				if op.Name == v.Operation {
					comment = cli.FirstSentence(op.Summary)
				}
			}
		}
		row(b, "`"+v.Name+"`", "`"+v.Operation+"`", comment)
	}
	return b.String()
}

func outcomesTable() string {
	says := map[abi.Outcome][3]string{ // what happened, did anything change, what to do
		abi.Succeeded: {"The object has the wanted state. With `meta.reconciled`, an answer was lost, and reading back showed the state", "yes", "continue"},
		abi.Unchanged: {"The object already had the wanted state. No write was sent, unless only Okta's refusal can show it (`reset_factor` by id)", "no", "continue"},
		abi.Planned:   {"It was a plan (`--plan`): no write was sent, and `plan.writes` lists them", "no", "look at the plan, then run it without `--plan`"},
		abi.Invalid:   {"The input broke the schema, or the operation works another way (`surface`); nothing was sent", "no", "correct the workflow"},
		abi.Denied:    {"The class is not granted, or the call was not approved; no write was sent", "no", "ask the person who grants or approves"},
		abi.NotFound:  {"The target does not exist. A login or name may be misspelt. If a deletion finds an id gone, that is `unchanged`", "no", "take another branch"},
		abi.Rejected:  {"Okta or the operation refused: `code`, `message`, `upstream`", "no¹", "repeat if `retryable` (another client or Okta itself was changing the object: `transition`); else correct what `message` says, or ask a person"},
		abi.Throttled: {"Over Okta's rate limit (`code` `rate_limited`) or the connection's own ceiling (`ceiling`) for longer than the time given; the write was not sent", "no¹", "repeat after `retry_after_ms`"},
		abi.Unavailable: {"The network, a gateway or Okta failed, and nothing was written. Either no write was sent, or reading back found no effect for as long as Okta can work on a request",
			"no¹", "repeat if `retryable`, with the same key; else repair the connection"},
		abi.Unknown: {"A write was sent, no answer came, and reading back could not settle it", "perhaps",
			"stop: a person checks the object. Under the same key nothing is sent again. If `retryable`, a repeat under a new key does no harm"},
		abi.Failed: {"A bug of the connector or its host, a module that overstepped its grant, or a journal or audit that cannot be written", "if `meta.requests` has a write",
			"stop: check whether `meta.requests` has a write, and report the bug"},
	}
	b := table("outcome", "exit code", "what happened", "changed?", "do")
	for _, o := range abi.Outcomes() {
		row(b, "`"+string(o)+"`", fmt.Sprint(cli.OutcomeCode(o)), says[o][0], says[o][1], says[o][2])
	}
	return b.String()
}

// configSchema is the part of a JSON Schema that the tables show.
type configSchema struct {
	Type        string                  `json:"type"`
	Const       any                     `json:"const"`
	Default     any                     `json:"default"`
	Minimum     any                     `json:"minimum"`
	Over        any                     `json:"exclusiveMinimum"`
	Maximum     any                     `json:"maximum"`
	Required    []string                `json:"required"`
	Properties  map[string]configSchema `json:"properties"`
	Items       *configSchema           `json:"items"`
	Enum        []string                `json:"enum"`
	Description string                  `json:"description"`
}

// fieldText says what the schema does not: the unit, and the meaning.
type fieldText struct{ name, unit, meaning string }

var fieldTexts = []fieldText{
	{"name", "", "name of the connection: `--connection NAME`, and its schema in SQL. Letters, digits and `_.-`, at most 64"},
	{"kind", "", "kind of the module"},
	{"base_url", "", "the org's own address, https, without a path"},
	{"token_secret_ref", "", "where the API token is: [Secrets](#secrets). A connection has this field or `oauth`"},
	{"oauth", "", "the service app that signs in instead: [OAuth](#oauth)"},
	{"grants", "", "safety classes that are granted: [Grants](#grants)"},
	{"approve", "", "classes of which every invoke must be approved: [Approval](#approval-and-ceilings). Default: none"},
	{"max_writes_per_minute", "writes", "maximum writes in a minute, counted over all processes that share the journal. Default: no ceiling"},
	{"max_destructive_per_hour", "writes", "maximum destructive and privileged writes in an hour. Default: no ceiling"},
	{"rate_limit_share", "part of 1", "largest part of each of Okta's rate limits that this connection uses. The rest is for the org's other tools"},
	{"default_page_size", "records", "records per request, unless the input says otherwise. Default: the most that the endpoint allows"},
	{"initial_lookback_seconds", "seconds", "how far back a source without a checkpoint begins"},
	{"allow_private_network", "", "whether `base_url` may be on this machine or in a private network"},
	{"proxy", "", "proxy on the way to `base_url`: [Proxy](#proxy-and-certificates). Default: none; `HTTPS_PROXY` is not used"},
	{"proxy_credentials_ref", "", "where the proxy's `user:password` is: [Secrets](#secrets)"},
	{"ca_file", "", "PEM file of certificate authorities that are trusted besides the system's, relative to the connection file"},
	{"tls_min", "", "lowest TLS version: `\"1.2\"` or `\"1.3\"`, in quotes"},
}

var oauthTexts = []fieldText{
	{"client_id", "", "the service app's client ID"},
	{"private_key_ref", "", "where the private key is: [Secrets](#secrets). PEM (PKCS #8, PKCS #1, SEC 1) or JWK; RSA of at least 2,048 bits, or EC on P-256, P-384 or P-521"},
	{"key_id", "", "the key's id in Okta (kid), if the key does not contain it. A PEM file never does"},
	{"scopes", "", "the maximum scopes of a token. Default: what the operations need"},
	{"dpop", "", "`auto`: as the app requires. `required`: a token that is not bound to a key is refused. `off`: no proofs are sent"},
}

var limitTexts = []fieldText{
	{"call_seconds", "seconds", "time of a call, waiting for rate limits included"},
	{"requests", "requests", "requests of a call, refused ones included"},
	{"request_seconds", "seconds", "time of one request, to the last byte of its answer"},
	{"body_bytes", "bytes", "one answer, decoded"},
	{"held_bytes", "bytes", "memory that the host holds for one call: responses, copies, records"},
	{"records", "records", "records of a call"},
	{"result_bytes", "bytes", "all records of a call"},
	{"memory_bytes", "bytes", "memory of the module in one call, messages to the host included"},
	{"concurrency", "calls", "calls at once"},
	{"log_bytes", "bytes", "what a call can write to the log"},
}

// table lists the properties of a schema. Each must have a text, and each text a property. left are properties that are
// shown elsewhere.
func (s configSchema) table(t *testing.T, texts []fieldText, left ...string) string {
	b := table("key", "type", "default", "unit", "least … most", "meaning")
	seen := map[string]bool{}
	for _, text := range texts {
		seen[text.name] = true
		p, ok := s.Properties[text.name]
		if !ok {
			t.Errorf("the table has %s, which config_schema does not: remove it", text.name)
		}
		value := "–"
		switch {
		case slices.Contains(s.Required, text.name):
			value = "required"
		case p.Default != nil:
			value = shownValue(p.Default)
		}
		kind := p.Type
		switch {
		case p.Const != nil:
			kind = fmt.Sprintf("`%v`", p.Const)
		case p.Items != nil:
			kind = "list of " + cmp.Or(strings.Join(p.Items.Enum, ", "), p.Items.Type+"s")
		case kind == "" && len(p.Enum) > 0:
			kind = strings.Join(p.Enum, ", ")
		}
		bounds := ""
		switch {
		case p.Minimum != nil:
			bounds = shownValue(p.Minimum) + " … " + shownValue(p.Maximum)
		case p.Over != nil:
			bounds = "over " + shownValue(p.Over) + " … " + shownValue(p.Maximum)
		}
		row(b, "`"+text.name+"`", kind, value, text.unit, bounds, text.meaning)
	}
	for name := range s.Properties {
		if !seen[name] && !slices.Contains(left, name) {
			t.Errorf("config_schema has %s, and no text says what it is: add one", name)
		}
	}
	return b.String()
}

// shownValue writes a value of a schema: numbers in groups of three digits, lists in brackets.
func shownValue(v any) string {
	switch v := v.(type) {
	case float64:
		if v != float64(int64(v)) {
			return fmt.Sprint(v)
		}
		digits := fmt.Sprintf("%d", int64(v))
		for i := len(digits) - 3; i > 0; i -= 3 {
			digits = digits[:i] + "," + digits[i:]
		}
		return digits
	case []any:
		var all []string
		for _, e := range v {
			all = append(all, fmt.Sprint(e))
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	return fmt.Sprint(v)
}
