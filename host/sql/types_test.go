//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/sql"
	"github.com/mach5/okta-connector/internal/observed"
)

// sqlTypes are the types of columns as DuckDB spells them.
var sqlTypes = map[abi.ColumnType]string{abi.Varchar: "VARCHAR", abi.Boolean: "BOOLEAN", abi.BigInt: "BIGINT", abi.Double: "DOUBLE",
	abi.TimestampTZ: "TIMESTAMP WITH TIME ZONE", abi.JSON: "JSON"}

// typed is what a record's value has to be in a column, worked out with encoding/json alone.
func typed(record any, c abi.Column) any {
	v := record
	for _, path := range append([]string{c.Path}, c.Or...) {
		if v = record; path != "" {
			for _, key := range strings.Split(path, ".") {
				m, _ := v.(map[string]any)
				v = m[key]
			}
		}
		if v != nil {
			break
		}
	}
	switch c.Type {
	case abi.JSON:
		return v
	case abi.Varchar:
		switch v := v.(type) {
		case string:
			return v
		case json.Number:
			return string(v)
		case bool:
			return strconv.FormatBool(v)
		}
	case abi.Boolean:
		if b, ok := v.(bool); ok {
			return b
		}
	case abi.BigInt:
		if n, ok := v.(json.Number); ok {
			if i, err := strconv.ParseInt(string(n), 10, 64); err == nil {
				return i
			}
		}
	case abi.Double:
		if n, ok := v.(json.Number); ok {
			if f, err := n.Float64(); err == nil {
				return f
			}
		}
	case abi.TimestampTZ:
		if s, ok := v.(string); ok {
			for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999"} {
				if at, err := time.Parse(layout, s); err == nil {
					return at.UTC().Truncate(time.Microsecond)
				}
			}
		}
	}
	return nil
}

func decode(t testing.TB, b []byte) (v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %.300s", err, b)
	}
	return v
}

// checkRows reads an operation and holds every column of every row against the record in it. It returns the records,
// and how many values were not NULL by column.
func checkRows(t *testing.T, db *sql.DB, op *abi.Operation, input string) (records []json.RawMessage, values map[string]int) {
	t.Helper()
	query := fmt.Sprintf("connector_table('okta', '%s', '%s')", op.Name, strings.ReplaceAll(input, "'", "''"))
	var declared, found []string
	for _, c := range op.Columns {
		declared = append(declared, c.Name+" "+sqlTypes[c.Type])
	}
	err := db.Run(t.Context(), "DESCRIBE SELECT * FROM "+query, func(r *sql.Result) error {
		for row, err := range r.Rows() {
			if err != nil {
				return err
			}
			found = append(found, fmt.Sprint(row[0], " ", row[1]))
		}
		return nil
	})
	if err != nil || !reflect.DeepEqual(found, declared) {
		t.Fatalf("%s: %v: columns %q, declared %q", op.Name, err, found, declared)
	}
	values = map[string]int{}
	err = db.Run(t.Context(), "SELECT * FROM "+query, func(r *sql.Result) error {
		for row, err := range r.Rows() {
			if err != nil {
				return err
			}
			raw := row[len(row)-1].(json.RawMessage)
			records = append(records, bytes.Clone(raw))
			record := decode(t, raw)
			for i, c := range op.Columns {
				want, got := typed(record, c), row[i]
				if j, ok := got.(json.RawMessage); ok {
					got = decode(t, j)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %s is %#v, want %#v of %.300s", op.Name, c.Name, got, want, raw)
				}
				if got != nil {
					values[c.Name]++
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return records, values
}

func operations(t *testing.T) (all []*abi.Operation, byName map[string]*abi.Operation) {
	t.Helper()
	m := hosttest.Connector.Module(t)
	byName = map[string]*abi.Operation{}
	for i := range m.Manifest().Operations {
		if op := &m.Manifest().Operations[i]; op.On(abi.SQL) {
			all, byName[op.Name] = append(all, op), op
		}
	}
	return all, byName
}

func TestColumns_OfTheSimulatedOrg_HaveTheirTypes(t *testing.T) {
	all, byName := operations(t)
	required, err := os.ReadFile("../../testdata/operations.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(required)) {
		if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 4 && strings.Contains(f[3], "sql") && byName[f[0]] == nil {
			t.Errorf("%s is not an SQL operation", f[0])
		}
	}
	db, org := demo(t, oktatest.Config{GroupRules: 1})
	inputs := map[string]string{ // where the example is meant for other days, or finds little
		"bounded_system_log_range": fmt.Sprintf(`{"since":%q,"until":%q}`, time.Now().Add(-24*time.Hour).UTC().Format(time.RFC3339), time.Now().UTC().Format(time.RFC3339)),
		"poll_system_log_page":     `{}`,
		"list_users":               `{"include_deprovisioned":true}`,
		"list_policies":            `{}`,
		"list_roles":               `{}`,
		"lookup_session":           fmt.Sprintf(`{"session":%q}`, decode(t, org.Sessions()[0]).(map[string]any)["id"]),
		"inventory_export":         `{"limit_per_kind":5}`,
	}
	for _, op := range all {
		input := inputs[op.Name]
		if input == "" {
			input = string(op.Example)
		}
		if input == "" {
			input = "{}"
		}
		records, values := checkRows(t, db, op, input)
		if len(records) == 0 {
			t.Errorf("%s %s: no rows", op.Name, input)
		}
		if op.Single && len(records) != 1 {
			t.Errorf("%s: %d rows of one object", op.Name, len(records))
		}
		if len(values) < len(op.Columns)/2 {
			t.Errorf("%s: %d of %d columns have a value at all: %v", op.Name, len(values), len(op.Columns), values)
		}
	}
}

// readers are the operations by the endpoint whose answer they pass on, each with an input that has it asked first.
func readers() map[string][2]string {
	const user, group = `"user":"00uabcdefgh123456789"`, `"group":"00gabcdefgh123456789"`
	return map[string][2]string{
		"GET /api/v1/users/{id}":                                  {"lookup_user", `{` + user + `}`},
		"GET /api/v1/users":                                       {"list_users", `{}`},
		"GET /api/v1/groups":                                      {"list_groups", `{}`},
		"GET /api/v1/groups/{groupId}":                            {"lookup_group", `{` + group + `}`},
		"GET /api/v1/groups/{groupId}/users":                      {"list_group_members", `{` + group + `}`},
		"GET /api/v1/users/{id}/groups":                           {"list_user_groups", `{` + user + `}`},
		"GET /api/v1/apps":                                        {"list_applications", `{}`},
		"GET /api/v1/apps/{appId}":                                {"lookup_application", `{"application":"0oa1"}`},
		"GET /api/v1/apps/{appId}/users":                          {"list_application_users", `{"application":"0oa1"}`},
		"GET /api/v1/users/{userId}/factors":                      {"list_factors", `{` + user + `}`},
		"GET /api/v1/authenticators":                              {"list_authenticators", `{}`},
		"GET /api/v1/devices":                                     {"list_devices", `{}`},
		"GET /api/v1/devices/{deviceId}":                          {"lookup_device", `{"device":"guo1"}`},
		"GET /api/v1/users/{userId}/devices":                      {"list_user_devices", `{` + user + `}`},
		"GET /api/v1/sessions/{sessionId}":                        {"lookup_session", `{"session":"101"}`},
		"GET /api/v1/policies":                                    {"list_policies", `{"type":"ACCESS_POLICY"}`},
		"GET /api/v1/policies/{policyId}":                         {"get_policy", `{"policy":"00p1"}`},
		"GET /api/v1/policies/{policyId}/rules":                   {"list_policy_rules", `{"policy":"00p1"}`},
		"GET /api/v1/zones":                                       {"list_zones", `{}`},
		"GET /api/v1/zones/{zoneId}":                              {"get_zone", `{"zone":"nzo1"}`},
		"GET /api/v1/authorizationServers":                        {"list_authorization_servers", `{}`},
		"GET /api/v1/authorizationServers/{authServerId}/scopes":  {"list_scopes", `{"authorization_server":"aus1"}`},
		"GET /api/v1/authorizationServers/{authServerId}/claims":  {"list_claims", `{"authorization_server":"aus1"}`},
		"GET /api/v1/authorizationServers/{authServerId}/clients": {"list_oauth_clients", `{"authorization_server":"aus1"}`},
		"GET /oauth2/v1/clients":                                  {"list_oauth_clients", `{}`},
		"GET /api/v1/iam/roles":                                   {"list_roles", `{"limit":2}`},
		"GET /api/v1/iam/roles/{roleIdOrLabel}":                   {"get_role", `{"role":"cr01"}`},
		"GET /api/v1/users/{userId}/roles":                        {"list_roles", `{` + user + `}`},
		"GET /api/v1/groups/{groupId}/roles":                      {"list_roles", `{` + group + `}`},
		"GET /oauth2/v1/clients/{clientId}/roles":                 {"list_roles", `{"client":"0oa1"}`},
		"GET /api/v1/users/{userId}/roles/{roleAssignmentId}":     {"get_role", `{` + user + `,"role":"ra1"}`},
		"GET /api/v1/logs":                                        {"poll_system_log_page", `{}`},
	}
}

// served answers every request with the body that was set last.
type served struct {
	body   []byte
	status int
	asked  bool
}

func (s *served) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(s.status)
	_, _ = w.Write(s.body)
	s.asked = true
}

// throughSQL serves an answer and reads it as rows.
func (s *served) throughSQL(t *testing.T, db *sql.DB, byName map[string]*abi.Operation, endpoint string, status int, body []byte, seen map[string]int) {
	t.Helper()
	r, ok := readers()[endpoint]
	if !ok {
		return // no operation passes it on as it is: guest/okta/e2e/real_test.go knows which those are
	}
	s.body, s.status, s.asked = body, status, false
	if status >= 400 {
		_, err := try(t.Context(), db, fmt.Sprintf("FROM connector_table('okta', '%s', '%s')", r[0], r[1]))
		var okta struct{ ErrorCode, ErrorSummary string }
		if json.Unmarshal(body, &okta) != nil || okta.ErrorCode == "" {
			t.Fatalf("%s is no error of Okta's", body)
		}
		if status == 404 && byName[r[0]].Single { // what is not there is no row
			if err != nil {
				t.Errorf("%s: %v", r[0], err)
			}
			return
		}
		if err == nil || !strings.Contains(err.Error(), okta.ErrorCode) {
			t.Errorf("%s: %v of %s", r[0], err, body)
		}
		return
	}
	got, values := checkRows(t, db, byName[r[0]], r[1])
	if !s.asked {
		t.Fatalf("%s asked for nothing", r[0])
	}
	for c, n := range values {
		seen[r[0]+"."+c] += n
	}
	var want []any
	switch v := decode(t, body).(type) {
	case []any:
		want = v
	case map[string]any:
		want = []any{v}
		if roles, ok := v["roles"].([]any); ok && r[0] == "list_roles" {
			want = roles
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows of %d records", r[0], len(got), len(want))
	}
	for i := range want {
		observed.DropSecrets(want[i])
		if !reflect.DeepEqual(decode(t, got[i]), want[i]) {
			t.Errorf("%s: record is %.300s, want %v", r[0], got[i], want[i])
		}
	}
}

func TestColumns_OfRecordedResponses_HaveTheirTypes(t *testing.T) {
	lines := bytes.Split(bytes.TrimSpace(observed.File(t, "recorded.jsonl")), []byte("\n"))
	_, byName := operations(t)
	s, seen, ran := &served{}, map[string]int{}, 0
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "okta", s)}})
	for i, line := range lines {
		var rec struct {
			Endpoint, Method, Body string
			Status                 int
		}
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatal(err)
		}
		if rec.Method != http.MethodGet || rec.Status == 429 { // which would be waited out
			continue
		}
		ran++
		t.Run(fmt.Sprintf("line %d %s", i+1, rec.Endpoint), func(t *testing.T) {
			s.throughSQL(t, db, byName, rec.Endpoint, rec.Status, []byte(rec.Body), seen)
		})
	}
	if ran < 60 || len(seen) < 100 {
		t.Errorf("%d recordings of reads were used, %d columns had values", ran, len(seen))
	}
}

func TestColumns_OfPublishedExamples_HaveTheirTypes(t *testing.T) {
	_, byName := operations(t)
	s, seen, ran := &served{}, map[string]int{}, 0
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "okta", s)}})
	for endpoint := range readers() {
		method, path, _ := strings.Cut(endpoint, " ")
		name := strings.NewReplacer("/", "_", "{", "", "}", "", "-", "_").Replace(path)
		var published struct {
			Responses map[string]map[string]json.RawMessage
		}
		if err := json.Unmarshal(observed.File(t, "examples/"+method+name+".json"), &published); err != nil {
			t.Fatal(err)
		}
		for example, body := range published.Responses["200"] {
			if !bytes.HasPrefix(body, []byte("[")) && !bytes.HasPrefix(body, []byte("{")) {
				continue
			}
			if !byName[readers()[endpoint][0]].Single && bytes.HasPrefix(body, []byte("{")) && endpoint == "GET /api/v1/logs" {
				body = slices.Concat([]byte("["), body, []byte("]")) // the document shows one event of the list
			}
			ran++
			t.Run(endpoint+" "+example, func(t *testing.T) { s.throughSQL(t, db, byName, endpoint, 200, body, seen) })
		}
	}
	if ran < 40 || len(seen) < 200 {
		t.Errorf("%d examples were used, %d columns had values", ran, len(seen))
	}
}

// TestColumns_OfAValueThatDoesNotFit_AreNull serves users and events that are not as declared.
func TestColumns_OfAValueThatDoesNotFit_AreNull(t *testing.T) {
	_, byName := operations(t)
	s := &served{status: 200}
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "okta", s)}})
	for _, record := range []string{
		`{"id":7,"status":{"x":1},"created":"yesterday","lastLogin":5,"profile":{"login":["a"],"firstName":true,"employeeNumber":1.50}}`,
		`{"id":"00u1","created":"2026-01-02T03:04:05+02:00","lastLogin":"2026-01-02 03:04:05.123","profile":null}`,
		`{"id":"a\u0000b\ud83d\ude00\"\\","created":"9999-12-31T23:59:59.999999999Z","lastLogin":"0000-01-01T00:00:00Z","profile":"text"}`,
		`{"id":"","created":"2026-13-40T99:00:00Z","profile":{"login":"x","login2":"y"}}`,
		`{}`,
	} {
		s.body = []byte("[" + record + "]")
		if records, _ := checkRows(t, db, byName["list_users"], "{}"); len(records) != 1 || string(records[0]) != record {
			t.Errorf("the record is %s, want %s", records, record)
		}
	}
	s.body = []byte(`[{"uuid":"1","published":"2026-01-02T03:04:05Z","securityContext":{"isProxy":"yes"}},{"uuid":"2","securityContext":{"isProxy":true}}]`)
	want(t, db, `SELECT uuid, is_proxy, record->'securityContext'->>'isProxy' FROM connector_table('okta', 'poll_system_log_page', '{}')`, `["1",null,"yes"]`, `["2",true,"true"]`)
	s.body = []byte(`[{"id":"1","_embedded":{"stats":{"usersCount":9223372036854775807}}},{"id":"2","_embedded":{"stats":{"usersCount":9223372036854775808}}},{"id":"3","_embedded":{"stats":{"usersCount":1.5}}},{"id":"4","_embedded":{"stats":{"usersCount":"1"}}}]`)
	want(t, db, `SELECT id, users_count FROM okta.groups`, `["1",9223372036854775807]`, `["2",null]`, `["3",null]`, `["4",null]`)
	// DuckDB has no place for what is not UTF-8: the column is NULL, and the record holds U+FFFD instead.
	s.body = []byte("[{\"id\":\"1\",\"profile\":{\"name\":\"x\xffy\"},\"type\":\"OKTA_GROUP\"}]")
	want(t, db, `SELECT id, name, type, record FROM okta.groups`, "[\"1\",null,\"OKTA_GROUP\",{\"id\":\"1\",\"profile\":{\"name\":\"x\ufffdy\"},\"type\":\"OKTA_GROUP\"}]")
}

// JSON that DuckDB refuses is repaired, in rows and in single objects.
func TestRecord_HalfASurrogatePair_CostsNoQuery(t *testing.T) {
	s := &served{status: 200, body: []byte(`[{"id":"1","type":"cut \ud83d","profile":{"name":"a"}},{"id":"2","type":"OKTA_GROUP","profile":{"name":"b"}}]`)}
	db := open(t, sql.Config{Connections: []*host.Connection{connected(t, "okta", s)}})
	want(t, db, `SELECT count(*) FROM okta.groups WHERE record->>'type' = 'OKTA_GROUP'`, `[1]`)
	want(t, db, `SELECT record->>'type' FROM okta.groups WHERE id = '1'`, "[\"cut \ufffd\"]")
	want(t, db, `SELECT connector_scalar('okta', 'list_groups', JSON '{}')->0->>'type'`, "[\"cut \ufffd\"]")
}
