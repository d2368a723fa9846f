package egress

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

// recorder is a server that keeps the requests that it got.
type recorder struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func record(t *testing.T) *recorder {
	r := &recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.requests, r.bodies = append(r.requests, req), append(r.bodies, string(body))
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *recorder) uris() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, req := range r.requests {
		all = append(all, req.RequestURI)
	}
	return all
}

// check sends a request. It must arrive as want; if want is "!" and a reason, it must fail as malformed without being
// sent.
func check(t *testing.T, endpointName string, req abi.Request, want string) {
	t.Helper()
	server := record(t)
	cl, _ := client(t, server.URL, nil)
	resp, err := cl.Send(context.Background(), Call{Endpoint: endpoint(endpointName), Request: req})
	got := server.uris()
	if reason, bad := strings.CutPrefix(want, "!"); bad {
		if err == nil || err.Code != abi.SendMalformed || err.Sent || len(got) != 0 || !strings.Contains(err.Message, reason) {
			t.Errorf("%+v, the server got %q; want malformed: %s", err, got, reason)
		}
		if err != nil && len(err.Message) > 200 {
			t.Errorf("a message of %d bytes: %s", len(err.Message), err.Message)
		}
		return
	}
	if err != nil || resp.Attempts != 1 || !slices.Equal(got, []string{want}) {
		t.Errorf("%+v, the server got %q; want %q", err, got, want)
	}
}

func TestSend_OfBlanks_EscapesOrRefusesThem(t *testing.T) {
	for value, want := range map[string]string{
		"ada@example.com":                    "ada@example.com",
		"a/b":                                "!divide a URL",
		"a%2Fb":                              "!divide a URL",
		"a%252fb":                            "!divide a URL",
		"a?b":                                "!divide a URL",
		"a%3fb":                              "!divide a URL",
		"a#d":                                "!divide a URL",
		"a;b=c":                              "!divide a URL",
		"a\uff0fb":                           "!divide a URL", // a wide slash, which some servers turn into one
		"a%ef%bc%8fb":                        "!divide a URL",
		"\uff0e\uff0e":                       "!path step",
		" ":                                  "!{id}: it is empty",
		"a+b c&d":                            "a%2Bb%20c%26d",
		"100%":                               "100%25",
		"%41":                                "%2541",
		"é😀":                                 "%C3%A9%F0%9F%98%80",
		"...":                                "...",
		".hidden":                            ".hidden",
		"a..b":                               "a..b",
		"{id}":                               "%7Bid%7D",
		strings.Repeat("x", abi.MaxBlank):    strings.Repeat("x", abi.MaxBlank),
		"":                                   "!{id}: it is empty",
		strings.Repeat("x", abi.MaxBlank+1):  "!{id}: it has 513 bytes",
		".":                                  "!path step",
		"..":                                 "!path step",
		"../groups":                          "!path step",
		"a/../b":                             "!path step",
		"a/..":                               "!path step",
		"a/./b":                              "!path step",
		`a\b`:                                "!path step",
		"..;":                                "!path step",
		"..;x=y/admin":                       "!path step",
		"%2e%2e":                             "!path step",
		"%2E%2e%2fx":                         "!path step",
		"%252e%252e":                         "!path step",
		"a%5cb":                              "!path step",
		"%zz%2e%2e%2fadmin":                  "!path step", // a decoder that ignores %zz would decode the rest
		"%2e%2e%2f%":                         "!path step",
		"%2525252525252e":                    "!too many layers of escapes",
		"a\r\nX-Evil: 1":                     "!control",
		"a\x00":                              "!control",
		"a\x7f":                              "!control",
		"a\u0085b":                           "!control",
		"%0d%0aX":                            "!control",
		"a\xff":                              "!UTF-8",
		"%c0%ae%c0%ae":                       "!UTF-8", // an overlong encoding of ..
		"x" + strings.Repeat("y", 9000) + "": "!{id}: it has 9001 bytes",
	} {
		if !strings.HasPrefix(want, "!") {
			want = "/api/v1/users/" + want + "/roles"
		}
		t.Run(printable(value), func(t *testing.T) {
			check(t, "GET /api/v1/users/{id}/roles", abi.Request{Path: map[string]string{"id": value}}, want)
		})
	}
}

func TestSend_OfDeclaredDelimiters_EscapesThem(t *testing.T) {
	for value, want := range map[string]string{
		"a/b":        "a%2Fb",
		"a?b=c#d":    "a%3Fb%3Dc%23d",
		"a;b=c":      "a%3Bb%3Dc",
		"a%2fb":      "a%252fb",
		"a\uff0fb":   "a%EF%BC%8Fb",
		"a/../b":     "!path step",
		"a%2f..%2fb": "!path step",
		"a/..;/b":    "!path step",
		`a\b`:        "!path step",
		"a/\x00":     "!control",
	} {
		server := record(t)
		cl, _ := client(t, server.URL, nil)
		e := endpoint("GET /files/{id}/{other}")
		e.Delimiters = []string{"id"}
		_, err := cl.Send(context.Background(), Call{Endpoint: e, Request: abi.Request{Path: map[string]string{"id": value, "other": "x"}}})
		reason, bad := strings.CutPrefix(want, "!")
		if bad && (err == nil || err.Code != abi.SendMalformed || !strings.Contains(err.Message, reason) || len(server.uris()) > 0) {
			t.Errorf("%q: %+v, want malformed: %s", value, err, reason)
		}
		if !bad && (err != nil || server.uris()[0] != "/files/"+want+"/x") {
			t.Errorf("%q: %+v, sent %q", value, err, server.uris())
		}
		// Another blank of the endpoint, and another operation's endpoint with the same path.
		for _, path := range []map[string]string{{"id": "x", "other": "a/b"}, {"id": "a/b", "other": "x"}} {
			if path["id"] != "x" {
				e.Delimiters = nil
			}
			if _, err := cl.Send(context.Background(), Call{Endpoint: e, Request: abi.Request{Path: path}}); err == nil {
				t.Errorf("%v was sent", path)
			}
		}
	}
}

func TestSend_OfValuesForOtherBlanks_IsMalformed(t *testing.T) {
	two := "GET /api/v1/apps/{a}/users/{u}"
	for name, c := range map[string]struct {
		endpoint string
		path     map[string]string
		want     string
	}{
		"both":                  {two, map[string]string{"a": "1", "u": "2"}, "/api/v1/apps/1/users/2"},
		"one missing":           {two, map[string]string{"a": "1"}, "!{u} is not filled"},
		"none":                  {two, nil, "!{a} is not filled"},
		"one too many":          {two, map[string]string{"a": "1", "u": "2", "x": "3"}, "!no blank {x}"},
		"one instead":           {two, map[string]string{"a": "1", "x": "3"}, "!{u} is not filled"},
		"for a path without":    {"GET /api/v1/logs", map[string]string{"x": "3"}, "!no blank {x}"},
		"an endpoint with a ..": {"GET /api/../x", nil, "!not plain"},
		"no endpoint":           {"", nil, "!want a method"},
		"another method":        {"TRACE /x", nil, "!must be GET"},
		"a URL":                 {"GET https://evil.example/", nil, "!must be absolute"},
		"two slashes":           {"GET //evil.example/x", nil, "!not plain"},
	} {
		t.Run(name, func(t *testing.T) { check(t, c.endpoint, abi.Request{Path: c.path}, c.want) })
	}
	t.Run("another endpoint in the request", func(t *testing.T) {
		check(t, "GET /x", abi.Request{Endpoint: "GET /y"}, "!an endpoint other than")
	})
}

func TestSend_OfQueries_EncodesOrRefusesThem(t *testing.T) {
	for name, c := range map[string]struct {
		query [][2]string
		want  string
	}{
		"in order, repeated": {[][2]string{{"b", "1"}, {"a", "2"}, {"b", "3"}}, "/x?b=1&a=2&b=3"},
		"a value is a value": {[][2]string{{"q", `a&b=c#d?e+f g%20"é`}}, "/x?q=a%26b%3Dc%23d%3Fe%2Bf+g%2520%22%C3%A9"},
		"an empty value":     {[][2]string{{"q", ""}}, "/x?q="},
		"an invalid name":    {[][2]string{{"a=b", "c"}}, "!not a name"},
		"an empty name":      {[][2]string{{"", "c"}}, "!not a name"},
		"a name too long":    {[][2]string{{strings.Repeat("n", 65), "c"}}, "!not a name"},
		"a line break":       {[][2]string{{"q", "a\r\nb"}}, "!control"},
		"not UTF-8":          {[][2]string{{"q", "\xff"}}, "!UTF-8"},
		"too long":           {[][2]string{{"q", strings.Repeat("x", abi.MaxQuery)}}, "!more than 8192 bytes"},
		"as long as can be":  {[][2]string{{"q", strings.Repeat("x", abi.MaxQuery-2)}}, "/x?q=" + strings.Repeat("x", abi.MaxQuery-2)},
	} {
		t.Run(name, func(t *testing.T) { check(t, "GET /x", abi.Request{Query: c.query}, c.want) })
	}
}

func TestSend_OfLinks_StaysWithinTheEndpoint(t *testing.T) {
	const users = "GET /api/v1/users/{id}/groups"
	for name, c := range map[string]struct {
		endpoint string
		request  abi.Request
		want     string
	}{
		"of the admin host":      {users, abi.Request{Link: "https://x-admin.okta.com/api/v1/users/00u1/groups?after=a%2Bb%3D&limit=2"}, "/api/v1/users/00u1/groups?after=a%2Bb%3D&limit=2"},
		"of another port":        {users, abi.Request{Link: "http://evil.example:99/api/v1/users/00u1/groups"}, "/api/v1/users/00u1/groups"},
		"relative":               {users, abi.Request{Link: "/api/v1/users/00u1/groups?after=1"}, "/api/v1/users/00u1/groups?after=1"},
		"without scheme":         {users, abi.Request{Link: "//evil.example/api/v1/users/00u1/groups"}, "/api/v1/users/00u1/groups"},
		"a blank is escaped":     {users, abi.Request{Link: "/api/v1/users/a+b%20c/groups"}, "/api/v1/users/a%2Bb%20c/groups"},
		"a slash in a blank":     {users, abi.Request{Link: "/api/v1/users/a%2Fc/groups"}, "!divide a URL"},
		"a semicolon in a blank": {users, abi.Request{Link: "/api/v1/users/a;b/groups"}, "!divide a URL"},
		"a query encoded again":  {users, abi.Request{Link: `/api/v1/users/1/groups?q="a b"&flag&&r=%26`}, "/api/v1/users/1/groups?q=%22a+b%22&flag=&r=%26"},
		"a path step":            {users, abi.Request{Link: "/api/v1/users/../groups"}, "!path step"},
		"an escaped path step":   {users, abi.Request{Link: "/api/v1/users/%2e%2e/groups"}, "!path step"},
		"a step and a semicolon": {users, abi.Request{Link: "/api/v1/users/..;/groups"}, "!path step"},
		"an escaped slash step":  {users, abi.Request{Link: "/api/v1/users/x%2f..%2f/groups"}, "!path step"},
		"an empty segment":       {users, abi.Request{Link: "/api/v1/users//groups"}, "!it is empty"},
		"an additional segment":  {users, abi.Request{Link: "/api/v1/users/1/groups/2"}, "!not the endpoint's path"},
		"an additional slash":    {users, abi.Request{Link: "/api/v1/users/1/groups/"}, "!not the endpoint's path"},
		"another path":           {users, abi.Request{Link: "/api/v1/users/1/roles"}, "!not the endpoint's path"},
		"an escaped fixed part":  {users, abi.Request{Link: "/api/v1/users/1/%67roups"}, "!not the endpoint's path"},
		"no path":                {users, abi.Request{Link: "?after=1"}, "!not the endpoint's path"},
		"a fragment":             {users, abi.Request{Link: "/api/v1/users/1/groups#x"}, "!fragment"},
		"an empty fragment":      {users, abi.Request{Link: "/api/v1/users/1/groups#"}, "!fragment"},
		"a user":                 {users, abi.Request{Link: "https://u:p@x/api/v1/users/1/groups"}, "!user"},
		"opaque":                 {users, abi.Request{Link: "https:api/v1/users/1/groups"}, "!must have a path"},
		"another scheme":         {users, abi.Request{Link: "file:///api/v1/users/1/groups"}, "!not an http or https URL"},
		"a line break":           {users, abi.Request{Link: "/api/v1/users/1/groups\r\n?x"}, "!not a URL"},
		"a control in the query": {users, abi.Request{Link: "/api/v1/users/1/groups?a=%0a"}, "!control"},
		"a bad escape":           {users, abi.Request{Link: "/api/v1/users/1/groups?a=%zz"}, "!not escaped properly"},
		"a semicolon":            {users, abi.Request{Link: "/api/v1/users/1/groups?a=b;c=d"}, "!not escaped properly"},
		"a long query":           {users, abi.Request{Link: "/api/v1/users/1/groups?a=" + strings.Repeat("x", abi.MaxQuery)}, "!more than 8192 bytes"},
		"very long":              {users, abi.Request{Link: "/api/v1/users/1/groups?a=" + strings.Repeat("x", abi.MaxLink)}, "!more than 16384 bytes"},
		"together with a path":   {users, abi.Request{Link: "/api/v1/users/1/groups", Path: map[string]string{"id": "1"}}, "!excludes path and query"},
		"together with a query":  {users, abi.Request{Link: "/api/v1/users/1/groups", Query: [][2]string{{"a", "b"}}}, "!excludes path and query"},
		"for a write":            {"POST /api/v1/users", abi.Request{Link: "/api/v1/users"}, "!for a GET"},
	} {
		t.Run(name, func(t *testing.T) { check(t, c.endpoint, c.request, c.want) })
	}
}

func TestSend_OfHeaders_AllowsOnlyTheListed(t *testing.T) {
	for name, c := range map[string]struct {
		headers map[string]string
		want    string // a header line that arrives, or "!" and a reason
	}{
		"the default":                 {nil, "Accept: application/json"},
		"Accept of JSON":              {map[string]string{"accept": "application/json"}, "Accept: application/json"},
		"a declared Accept":           {map[string]string{"accept": "text/csv"}, "Accept: text/csv"},
		"another Accept":              {map[string]string{"accept": "text/plain"}, "!does not declare the value"},
		"If-Match":                    {map[string]string{"If-Match": `W/"1"`}, `If-Match: W/"1"`},
		"If-Match of anything":        {map[string]string{"If-Match": `*`}, "!does not declare the value"},
		"If-Match of a list":          {map[string]string{"If-Match": `"1", "2"`}, "!does not declare the value"},
		"a declared Prefer":           {map[string]string{"prefer": "return=minimal"}, "Prefer: return=minimal"},
		"another Prefer":              {map[string]string{"Prefer": "respond-async"}, "!does not declare the value"},
		"our agent":                   {nil, "User-Agent: mach5-connector"},
		"a declared parameter":        {map[string]string{"Content-Type": "application/json; okta-response=omitCredentials,omitCredentialsLinks"}, "Content-Type: application/json; okta-response=omitCredentials,omitCredentialsLinks"},
		"the guest's Authorization":   {map[string]string{"authorization": "SSWS guess"}, "Authorization: SSWS real"},
		"another content type":        {map[string]string{"Content-Type": "text/xml"}, "!Content-Type must be application/json"},
		"another parameter":           {map[string]string{"Content-Type": "application/json; boundary=x"}, "!Content-Type must be application/json"},
		"Host":                        {map[string]string{"Host": "evil.example"}, `!"Host" may not be set`},
		"User-Agent":                  {map[string]string{"User-Agent": "x"}, "!may not be set"},
		"Idempotency-Key":             {map[string]string{"Idempotency-Key": "x"}, "!may not be set"},
		"Cookie":                      {map[string]string{"Cookie": "x"}, "!may not be set"},
		"Accept-Encoding":             {map[string]string{"Accept-Encoding": "br"}, "!may not be set"},
		"a line break in a name":      {map[string]string{"Accept\r\nX": "x"}, "!may not be set"},
		"a line break in a value":     {map[string]string{"Prefer": "a\r\nX: y"}, "!not printable ASCII"},
		"a tab":                       {map[string]string{"Prefer": "a\tb"}, "!not printable ASCII"},
		"a value that is not ASCII":   {map[string]string{"Prefer": "é"}, "!not printable ASCII"},
		"a value that is too long":    {map[string]string{"Prefer": strings.Repeat("x", maxHeader+1)}, "!more than 4096 bytes"},
		"one header in two spellings": {map[string]string{"Prefer": "return=minimal", "prefer": "return=minimal"}, "!is set twice"},
	} {
		t.Run(name, func(t *testing.T) {
			server := record(t)
			cl, _ := client(t, server.URL, nil)
			e := endpoint("GET /x")
			e.Headers = []abi.RequestHeader{{Name: "Accept", Values: []string{"text/csv"}}, {Name: "If-Match"}, {Name: "Prefer", Values: []string{"return=minimal"}}}
			_, err := cl.Send(context.Background(), Call{Endpoint: e, Request: abi.Request{Headers: c.headers}, Authorization: "SSWS real"})
			if reason, bad := strings.CutPrefix(c.want, "!"); bad {
				if err == nil || err.Code != abi.SendMalformed || err.Sent || len(server.uris()) > 0 || !strings.Contains(err.Message, reason) {
					t.Errorf("%+v, want malformed: %s", err, reason)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			name, value, _ := strings.Cut(c.want, ": ")
			if got := server.requests[0].Header.Values(name); !slices.Equal(got, []string{value}) {
				t.Errorf("%s: %q, want %q", name, got, value)
			}
		})
	}
}

func TestSend_OfABody_SendsItUnchanged(t *testing.T) {
	const body = `{ "profile" : {"a":1.0} }`
	server := record(t)
	cl, _ := client(t, server.URL, nil)
	if _, err := cl.Send(context.Background(), Call{Endpoint: endpoint("PUT /x"), Request: abi.Request{Body: []byte(body)}}); err != nil {
		t.Fatal(err)
	}
	if r := server.requests[0]; server.bodies[0] != body || r.Header.Get("Content-Type") != "application/json" || r.ContentLength != int64(len(body)) || r.Header.Get("Authorization") != "" {
		t.Errorf("%q %v", server.bodies, r.Header)
	}
	for _, method := range []string{"GET", "DELETE"} {
		check(t, method+" /x", abi.Request{Body: []byte(body)}, "!must have no body")
	}
}

func TestSend_WithTheGuestsAuthorization_DropsIt(t *testing.T) {
	server := record(t)
	cl, _ := client(t, server.URL, nil)
	call := Call{Endpoint: endpoint("GET /x"), Request: abi.Request{Headers: map[string]string{"Authorization": "SSWS guess"}}}
	if _, err := cl.Send(context.Background(), call); err != nil || server.requests[0].Header.Values("Authorization") != nil {
		t.Errorf("%+v %v", err, server.requests[0].Header)
	}
}

func TestCall_Printed_ShowsOnlyTheEndpoint(t *testing.T) {
	call := Call{Endpoint: endpoint("GET /x"), Authorization: "SSWS secret", Request: abi.Request{Link: "/x?after=secret"}}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "call", call, "pointer", &call)
	text, err := json.Marshal(&call)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %v %s %s", call, call, call, call, &call, text, log.String())
	if strings.Contains(all, "secret") || !strings.Contains(all, "GET /x") {
		t.Error(all)
	}
}

func TestParseBaseURL_OfHostileURLs_Explains(t *testing.T) {
	for in, want := range map[string]string{
		"HTTPS://Example.Okta.COM:443/":   "https://example.okta.com",
		"http://[::1]:80":                 "http://[::1]",
		"https://example.okta.com/?":      "!query",
		"https://example.okta.com/#":      "!fragment",
		"https://example.okta.com:":       "!colon",
		"https://example.okta.com:99999x": "!not a URL",
		"https:example.okta.com":          "!not a URL",
		"https://exa mple.okta.com":       "!not a URL",
		"https://ex%41mple.okta.com":      "!not a URL",
		"https://exämple.okta.com":        "!punycode",
		"https://a..b":                    "!punycode",
		"https://[fe80::1%25eth0]":        "!punycode",
		"https://x-admin.okta.com.":       "!https://x.okta.com",
		"https://x-admin.okta-emea.com/":  "!https://x.okta-emea.com",
		"http://10.0.0.1":                 "!https",
		"http://localhost.evil.example":   "!https",
		"http://127.0.0.1.evil.example":   "!https",
		"javascript://example.okta.com":   "!https",
		"https://example.okta.com//":      "!drop the path //",
		"https://tok@example.okta.com":    "!token_secret_ref",
		"https://example.okta.com/%0aX":   "!drop the path /%0aX",
	} {
		u, err := ParseBaseURL(in, oktaAddresses)
		if reason, bad := strings.CutPrefix(want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("%q: %v %v, want an error with %q", in, u, err, reason)
			}
		} else if err != nil || u.String() != want {
			t.Errorf("%q: %v %v, want %s", in, u, err, want)
		}
	}
}
