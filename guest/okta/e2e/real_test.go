package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/internal/observed"
)

// same compares JSON by value, and numbers by their text.
func same(t *testing.T, got, want []byte) bool {
	t.Helper()
	value := func(b []byte) (v any) {
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil {
			t.Fatalf("%v in %.200s", err, b)
		}
		return v
	}
	return reflect.DeepEqual(value(got), value(want))
}

// reader is a read operation and the endpoint whose response it passes on.
type reader struct {
	operation string
	input     map[string]any        // other inputs
	blanks    map[string]string     // path parameter to input field
	records   func(body []byte) any // the part of the body in the output; nil means all
}

// readers returns the read operations by the endpoint that they pass on. Some ids in recordings and examples do not
// have Okta's form. If an operation would first look up such a name, an id replaces it.
func readers() map[string]reader {
	list := func(op string, blanks ...string) reader { return read(op, blanks...) }
	return map[string]reader{
		"GET /api/v1/users/{id}":                                  read("lookup_user", "id", "user"),
		"GET /api/v1/users":                                       list("list_users"),
		"GET /api/v1/groups":                                      list("list_groups"),
		"GET /api/v1/groups/{groupId}":                            read("lookup_group", "groupId", "group"),
		"GET /api/v1/groups/{groupId}/users":                      list("list_group_members", "groupId", "group"),
		"GET /api/v1/users/{id}/groups":                           list("list_user_groups", "id", "user"),
		"GET /api/v1/apps":                                        list("list_applications"),
		"GET /api/v1/apps/{appId}":                                read("lookup_application", "appId", "application"),
		"GET /api/v1/apps/{appId}/users":                          list("list_application_users", "appId", "application"),
		"GET /api/v1/users/{userId}/factors":                      list("list_factors", "userId", "user"),
		"GET /api/v1/authenticators":                              list("list_authenticators"),
		"GET /api/v1/devices":                                     list("list_devices"),
		"GET /api/v1/devices/{deviceId}":                          read("lookup_device", "deviceId", "device"),
		"GET /api/v1/users/{userId}/devices":                      list("list_user_devices", "userId", "user"),
		"GET /api/v1/sessions/{sessionId}":                        read("lookup_session", "sessionId", "session"),
		"GET /api/v1/policies":                                    {operation: "list_policies", input: map[string]any{"type": "ACCESS_POLICY"}},
		"GET /api/v1/policies/{policyId}":                         read("get_policy", "policyId", "policy"),
		"GET /api/v1/zones":                                       list("list_zones"),
		"GET /api/v1/zones/{zoneId}":                              read("get_zone", "zoneId", "zone"),
		"GET /api/v1/authorizationServers":                        list("list_authorization_servers"),
		"GET /api/v1/authorizationServers/{authServerId}/scopes":  list("list_scopes", "authServerId", "authorization_server"),
		"GET /api/v1/authorizationServers/{authServerId}/claims":  list("list_claims", "authServerId", "authorization_server"),
		"GET /api/v1/authorizationServers/{authServerId}/clients": list("list_oauth_clients", "authServerId", "authorization_server"),
		"GET /oauth2/v1/clients":                                  list("list_oauth_clients"),
		"GET /api/v1/iam/roles":                                   {operation: "list_roles", input: map[string]any{"limit": 2}, records: member("roles")},
		"GET /api/v1/iam/roles/{roleIdOrLabel}":                   read("get_role", "roleIdOrLabel", "role"),
		"GET /api/v1/users/{userId}/roles":                        list("list_roles", "userId", "user"),
		"GET /api/v1/groups/{groupId}/roles":                      list("list_roles", "groupId", "group"),
		"GET /oauth2/v1/clients/{clientId}/roles":                 list("list_roles", "clientId", "client"),
		"GET /api/v1/users/{userId}/roles/{roleAssignmentId}":     read("get_role", "userId", "user", "roleAssignmentId", "role"),
		"GET /api/v1/logs":                                        list("poll_system_log_page"),
	}
}

func read(op string, blanks ...string) reader {
	r := reader{operation: op, blanks: map[string]string{}}
	for i := 0; i+1 < len(blanks); i += 2 {
		r.blanks[blanks[i]] = blanks[i+1]
	}
	return r
}

func member(name string) func([]byte) any {
	return func(body []byte) any {
		var m map[string]json.RawMessage
		if json.Unmarshal(body, &m) != nil {
			return nil
		}
		return m[name]
	}
}

// lookedInto lists endpoints that only operations that write read.
var lookedInto = map[string]string{
	"GET /api/v1/apps/{appId}/users/{userId}": "assign_application_user",
}

// partReader is a read operation whose output has a response as a part. It has the other requests by path, and names
// the part.
type partReader struct {
	operation, input string
	others           func(path string) map[string]string
	part             func(output []byte) []byte
}

var partReaders = map[string]partReader{
	"GET /.well-known/okta-organization": {"org_identity", `{}`, func(string) map[string]string { return map[string]string{"/api/v1/org": `{"id":"{id}"}`} }, nil},
	"GET /api/v1/org": {"org_identity", `{}`, func(string) map[string]string {
		return map[string]string{"/.well-known/okta-organization": `{"id":"{id}"}`}
	}, nil},
	"GET /api/v1/policies/{policyId}/rules": {"get_policy", `{"policy":"{policyId}","include_rules":true}`,
		func(path string) map[string]string {
			return map[string]string{strings.TrimSuffix(path, "/rules"): `{"id":"x"}`}
		},
		func(output []byte) []byte { return []byte(gjson.GetBytes(output, "rules").Raw) }},
	"GET /api/v1/groups/{groupId}/users": {"inventory_export", `{"kinds":["group_members"]}`,
		func(path string) map[string]string {
			return map[string]string{"/api/v1/groups": `[{"id":"` + strings.Split(path, "/")[4] + `"}]`}
		},
		func(output []byte) []byte { return []byte(gjson.GetBytes(output, "records.#.record").Raw) }},
}

func (p partReader) read(t *testing.T, path string, body []byte) {
	t.Helper()
	others := p.others(path)
	c := bound(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if other, ok := others[r.URL.Path]; ok {
			_, _ = io.WriteString(w, strings.Replace(other, "{id}", gjson.GetBytes(body, "id").Str, 1)) // the same org
			return
		}
		if r.URL.Path != path {
			t.Errorf("unexpected request: %s", r.URL)
		}
		_, _ = w.Write(body)
	}))
	input := p.input
	if i := strings.Index(input, "{policyId}"); i >= 0 {
		input = strings.Replace(input, "{policyId}", strings.Split(path, "/")[4], 1)
	}
	res, err := c.Invoke(context.Background(), p.operation, json.RawMessage(input))
	if err != nil {
		t.Fatal(err)
	}
	got := []byte(res.Output)
	if p.part != nil {
		got = p.part(got)
	}
	if !same(t, got, body) {
		t.Errorf("got  %.400s\nwant %.400s", got, body)
	}
}

// throughOperation serves one response and reads it with the operation of its endpoint.
func throughOperation(t *testing.T, endpoint, path string, status int, header http.Header, body []byte) {
	t.Helper()
	if p, ok := partReaders[endpoint]; ok {
		p.read(t, path, body)
		return
	}
	r, ok := readers()[endpoint]
	if !ok {
		t.Fatalf("%s: no operation reads it", endpoint)
	}
	input := map[string]any{}
	for k, v := range r.input {
		input[k] = v
	}
	template := strings.Split(strings.TrimPrefix(endpoint, "GET "), "/")
	for i, segment := range strings.Split(path, "/") {
		if i < len(template) && strings.HasPrefix(template[i], "{") {
			input[r.blanks[strings.Trim(template[i], "{}")]] = segment
		}
	}
	// An id replaces a name that an operation would look up first.
	for name, prefix := range map[string]string{"user": "00u", "group": "00g"} {
		if v, ok := input[name].(string); ok && (len(v) != 20 || !strings.HasPrefix(v, prefix)) {
			input[name] = prefix + "abcdefgh123456789"
		}
	}
	// Only this response is served, without the pages that its headers link to.
	c := bound(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, values := range header {
			if name != "Link" && !strings.HasPrefix(name, "Content-") && name != "Transfer-Encoding" {
				w.Header()[name] = values
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	in, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Invoke(context.Background(), r.operation, in)
	if status >= 400 {
		if r.operation == "lookup_session" { // its id is sensitive, since it may be usable like a cookie
			body = bytes.ReplaceAll(body, []byte(path[strings.LastIndex(path, "/")+1:]), []byte("***"))
		}
		checkRefusal(t, res, status, body)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	got := []byte(res.Output)
	if v := member("records")(got); v != nil && string(v.(json.RawMessage)) != "" {
		got = v.(json.RawMessage)
	}
	want := body
	if r.records != nil {
		want = r.records(body).(json.RawMessage)
	}
	want = withoutSecrets(t, want)
	if bytes.HasPrefix(bytes.TrimSpace(want), []byte("{")) && bytes.HasPrefix(got, []byte("[")) {
		want = append(append([]byte{'['}, want...), ']') // one record of a list
	}
	if !same(t, got, want) {
		t.Errorf("got  %.400s\nwant %.400s", got, want)
	}
}

// withoutSecrets returns a body, an object or an array of objects, without the secrets that read operations remove.
func withoutSecrets(t *testing.T, body []byte) []byte {
	t.Helper()
	var doc any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	all, isArray := doc.([]any)
	if !isArray {
		all = []any{doc}
	}
	left := false
	for _, record := range all {
		left = observed.DropSecrets(record) || left
	}
	if !left {
		return body
	}
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// checkRefusal checks for Okta's code, summary and causes, and the outcome of its status.
func checkRefusal(t *testing.T, res *abi.Result, status int, body []byte) {
	t.Helper()
	var okta struct {
		ErrorCode, ErrorSummary string
		ErrorCauses             json.RawMessage
	}
	if err := json.Unmarshal(body, &okta); err != nil {
		t.Fatal(err)
	}
	want := abi.Rejected
	switch {
	case status == 404:
		want = abi.NotFound
	case status == 429:
		want = abi.Throttled
	case status >= 500:
		want = abi.Unavailable
	}
	if res.Outcome != want || res.Error == nil || res.Error.Upstream == nil {
		t.Fatalf("%d %s: %s %+v", status, okta.ErrorCode, res.Outcome, res.Error)
	}
	up := res.Error.Upstream
	var causes []string
	for _, c := range gjson.ParseBytes(okta.ErrorCauses).Array() { // one published example has an object instead
		causes = append(causes, c.Get("errorSummary").Str)
	}
	if up.Status != status || up.Code != okta.ErrorCode || up.Summary != okta.ErrorSummary || !reflect.DeepEqual(up.Causes, causes) {
		t.Errorf("upstream %+v of %s", up, body)
	}
}

// TestRecordedResponses_OfReads_ComeOutUnchanged passes Okta's real responses through the operations that read them.
func TestRecordedResponses_OfReads_ComeOutUnchanged(t *testing.T) {
	ran, looked := 0, 0
	for i, rec := range recordings(t) {
		switch {
		case rec.Method != http.MethodGet: // TestWrites_RecordedResponses_EndInTheRightOutcome
			continue
		case lookedInto[rec.Endpoint] != "":
			looked++
			continue
		}
		ran++
		header := http.Header{}
		for name, values := range rec.Headers {
			all, several := values.([]any)
			if !several {
				all = []any{values}
			}
			for _, v := range all {
				header.Add(name, fmt.Sprint(v))
			}
		}
		t.Run(fmt.Sprintf("line %d %s", i+1, rec.Endpoint), func(t *testing.T) {
			throughOperation(t, rec.Endpoint, rec.Path, rec.Status, header, []byte(rec.Body))
		})
	}
	if ran != 70 || looked != 1 { // and 41 writes, of 112 recordings
		t.Errorf("%d recordings of reads were used, %d are read by writes", ran, looked)
	}
}

// publishedAnswers returns Okta's published examples of an endpoint's responses, by status and name.
func publishedAnswers(t *testing.T, endpoint string) map[string]map[string]json.RawMessage {
	t.Helper()
	method, path, _ := strings.Cut(endpoint, " ")
	name := strings.NewReplacer("/", "_", "{", "", "}", "", ".well-known", "well_known", "-", "_").Replace(path)
	var published struct {
		Responses map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(observed.File(t, "examples/"+method+name+".json"), &published); err != nil {
		t.Fatal(err)
	}
	return published.Responses
}

// TestPublishedExamples_OfReads_ComeOutUnchanged serves Okta's published examples as responses, including refusals.
func TestPublishedExamples_OfReads_ComeOutUnchanged(t *testing.T) {
	t.Parallel()
	endpoints := slices.Concat(slices.Collect(maps.Keys(readers())), slices.Collect(maps.Keys(partReaders)))
	slices.Sort(endpoints)
	ran, refusals := 0, 0
	for _, endpoint := range endpoints {
		_, path, _ := strings.Cut(endpoint, " ")
		for code, examples := range publishedAnswers(t, endpoint) {
			status, err := strconv.Atoi(code)
			if err != nil {
				t.Fatal(err)
			}
			if status == http.StatusTooManyRequests || status >= 400 && partReaders[endpoint].operation != "" {
				continue // throttled reads wait; other refusals become findings or gaps of a larger output
			}
			for example, body := range examples {
				t.Run(endpoint+" "+code+" "+example, func(t *testing.T) {
					if !bytes.HasPrefix(body, []byte("[")) && !bytes.HasPrefix(body, []byte("{")) {
						t.Skip("no JSON object or array")
					}
					if ran++; status >= 400 {
						refusals++
					} else if endpoint == "GET /api/v1/logs" && body[0] == '{' {
						body = slices.Concat([]byte("["), body, []byte("]")) // the document shows one event of the list
					}
					throughOperation(t, endpoint, strings.NewReplacer("{", "", "}", "").Replace(path), status, nil, body)
				})
			}
		}
	}
	if ran < 130 || refusals < 40 {
		t.Errorf("%d examples were used, %d of refusals", ran, refusals)
	}
}

// TestPublishedEvents_ThroughTheSource_KeepTheirBytes builds a log of Okta's published events, and reads it through the
// source.
func TestPublishedEvents_ThroughTheSource_KeepTheirBytes(t *testing.T) {
	var published struct {
		Responses map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(observed.File(t, "examples/GET_api_v1_logs.json"), &published); err != nil {
		t.Fatal(err)
	}
	var want []string
	org := oktatest.New(oktatest.Config{Events: -1})
	for _, example := range published.Responses["200"] {
		var events []json.RawMessage
		if json.Unmarshal(example, &events) != nil { // one event, or a page of events
			events = []json.RawMessage{example}
		}
		for _, e := range events {
			var one bytes.Buffer // the file is indented, unlike an event on the wire
			if err := json.Compact(&one, e); err != nil {
				t.Fatal(err)
			}
			want = append(want, one.String())
			org.AppendEvent(one.Bytes())
		}
	}
	for _, line := range bytes.Split(bytes.TrimSpace(observed.File(t, "system-log/okta-docs.jsonl")), []byte("\n")) {
		want = append(want, string(line))
		org.AppendEvent(line)
	}
	c := bound(t, withToken(org))
	var got []string
	for rec, err := range c.Source(context.Background(), host.SourceOptions{Operation: "poll_system_log_page"}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(rec.JSON))
	}
	if len(want) == 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("%d events of %d came out unchanged\n got %.500s\nwant %.500s", len(got), len(want), got, want)
	}
}

// TestRecords_UnusualJSON_KeepTheirBytes: numbers, unicode, escapes and the order of members are kept. An indented
// record loses only its line breaks.
func TestRecords_UnusualJSON_KeepTheirBytes(t *testing.T) {
	events := []string{
		`{"uuid":"1","published":"2026-01-02T03:04:05.000Z","n":1.0,"big":12345678901234567890,"e":1e3,"neg":-0}`,
		`{"b":1,"a":2,"uuid":"2","published":"2026-01-02T03:04:05Z","s":"é\u00e9😀\ud83d\ude00\/\n","nested":{"x":[]}}`,
		`{ "uuid" : "3" , "dup":1, "dup":2 }`,
	}
	page := "[" + events[0] + ",\n  " + events[1] + "," + "{\n\t\"uuid\":\r\n\"4\"}" + "," + events[2] + "]"
	c := bound(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(page)) }))
	var ndjson bytes.Buffer
	for p, err := range c.SourcePages(context.Background(), host.SourceOptions{Operation: "poll_system_log_page"}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.WriteTo(&ndjson); err != nil {
			t.Fatal(err)
		}
	}
	want := events[0] + "\n" + events[1] + "\n" + "{ \t\"uuid\":  \"4\"}" + "\n" + events[2] + "\n"
	if ndjson.String() != want {
		t.Errorf("got  %q\nwant %q", ndjson.String(), want)
	}
}
