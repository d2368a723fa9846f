package abi_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

// sound returns a valid manifest with every member of minor version 1.
func sound() abi.Manifest {
	object := json.RawMessage(`{"type":"object","properties":{"since":{},"until":{},"id":{},"all":{}}}`)
	return abi.Manifest{ABI: abi.Version, Minor: 1, Requires: []string{abi.FeatureKeys}, Kind: "crm", Version: "1", ConfigSchema: json.RawMessage(`{}`),
		Auth:            []abi.Auth{{Type: abi.AuthToken, Header: "X-Api-Key"}, {Type: abi.AuthOAuth, Header: "Authorization", Prefix: "Bearer", TokenEndpoint: "POST /oauth/token", ClientAuth: abi.ClientPrivateKeyJWT, DPoP: true}},
		BaseURL:         &abi.BaseURL{Example: "https://example.crm.test", Consoles: []abi.Console{{Suffix: "-admin.crm.test", Use: ".crm.test"}}},
		RequestIDHeader: "X-Request-Id", ResponseHeaders: []string{"x-request-id"}, ContentTypeParameters: []string{"profile"},
		TimeLayouts:      []string{"YYYY-MM-DD hh:mm:ss"},
		RateLimitHeaders: abi.RateLimitHeaders{Limit: "L", Remaining: "R", Reset: "T"},
		RateLimitHabits:  &abi.RateLimitHabits{Reset: abi.ResetDelta, ZeroLimit: abi.ZeroConcurrency, WindowSeconds: 10, LongestSeconds: 20},
		Views:            []abi.View{{Name: "recent", Operation: "range", Input: json.RawMessage(`{"all":true}`), Times: map[string]int64{"since": -3600, "until": 0}}},
		Operations: []abi.Operation{
			{Name: "poll", Class: abi.Read, Surfaces: []abi.Surface{abi.Ingest}, Idempotency: abi.Safe, InputSchema: object,
				Endpoints: []abi.Endpoint{{Endpoint: "GET /log", Bucket: "log"}}, Backfill: &abi.Backfill{Operation: "range", Time: "at"}},
			{Name: "range", Class: abi.Read, Surfaces: []abi.Surface{abi.SQL}, Idempotency: abi.Safe, InputSchema: object,
				Columns: []abi.Column{{Name: "at", Type: abi.TimestampTZ, Path: "at"}, {Name: "who", Type: abi.JSON, Path: "who"}}, Display: []string{"at", "who:name"}, Rejections: []string{"too_large"},
				Endpoints: []abi.Endpoint{{Endpoint: "GET /log", Bucket: "log", Query: []string{"from", "to"}}}},
			{Name: "join", Class: abi.Write, ClassRules: []abi.ClassRule{{Field: "all", Class: abi.Privileged}}, Surfaces: []abi.Surface{abi.Axon}, Idempotency: abi.Verified, InputSchema: object,
				Endpoints: []abi.Endpoint{
					{Endpoint: "GET /groups/{group}/roles", Bucket: "groups"},
					{Endpoint: "PATCH /users/{id}", Bucket: "users", Class: abi.Write, Guards: []abi.Guard{{Kind: abi.GuardEmpty, Read: "GET /groups/{group}/roles", Each: "groups", Blank: "group", Class: abi.Privileged}}},
					{Endpoint: "PUT /groups/{group}/users/{id}", Bucket: "groups", Class: abi.Write, Guards: []abi.Guard{{Kind: abi.GuardEmpty, Read: "GET /groups/{group}/roles", Class: abi.Privileged}}},
				}}}}
}

func TestManifest_Check_OfMinorVersion1(t *testing.T) {
	if m := sound(); m.Check() != nil {
		t.Fatal(m.Check())
	}
	for name, c := range map[string]struct {
		change func(*abi.Manifest)
		want   string
	}{
		"minor 0 with a later member":      {func(m *abi.Manifest) { m.Minor = 0 }, "requires needs minor version 1, but the manifest is of 0: set minor to 1"},
		"minor 0 with PATCH":               {func(m *abi.Manifest) { *m = minor0(); m.Operations[0].Endpoints[0].Endpoint = "PATCH /log" }, "class read|PATCH needs minor version 1"},
		"a negative minor":                 {func(m *abi.Manifest) { m.Minor = -1 }, "minor version must not be negative, found -1"},
		"auth is missing":                  {func(m *abi.Manifest) { m.Auth = nil }, "auth is missing"},
		"an unknown type":                  {func(m *abi.Manifest) { m.Auth[0].Type = "basic" }, `auth: type "basic" must be token or oauth`},
		"a type twice":                     {func(m *abi.Manifest) { m.Auth[1] = m.Auth[0] }, "auth: type token is listed twice"},
		"a credential in no header":        {func(m *abi.Manifest) { m.Auth[0].Header = "" }, `header "" is not a header name`},
		"a credential in Host":             {func(m *abi.Manifest) { m.Auth[0].Header = "host" }, "header host cannot carry a credential"},
		"a credential after a line break":  {func(m *abi.Manifest) { m.Auth[0].Prefix = "A\nB" }, "prefix"},
		"a token with a token endpoint":    {func(m *abi.Manifest) { m.Auth[0].TokenEndpoint = "POST /t" }, "token_endpoint, client_auth, dpop, token_bucket and expired_codes need type oauth"},
		"a token endpoint that is a GET":   {func(m *abi.Manifest) { m.Auth[1].TokenEndpoint = "GET /t" }, "must be a POST without blanks"},
		"a token endpoint elsewhere":       {func(m *abi.Manifest) { m.Auth[1].TokenEndpoint = "POST https://evil.test/t" }, "token_endpoint"},
		"an unknown proof of the client":   {func(m *abi.Manifest) { m.Auth[1].ClientAuth = "client_secret" }, "client_auth"},
		"an example in plain text":         {func(m *abi.Manifest) { m.BaseURL.Example = "http://example.test" }, "base_url: example"},
		"a console that is every host":     {func(m *abi.Manifest) { m.BaseURL.Consoles[0].Suffix = "" }, "base_url: console"},
		"an unknown reset":                 {func(m *abi.Manifest) { m.RateLimitHabits.Reset = "iso" }, `reset "iso" must be epoch or delta`},
		"an unknown meaning of 0":          {func(m *abi.Manifest) { m.RateLimitHabits.ZeroLimit = "free" }, "zero_limit"},
		"a window of years":                {func(m *abi.Manifest) { m.RateLimitHabits.WindowSeconds = 1 << 40 }, "window_seconds"},
		"longest under a window":           {func(m *abi.Manifest) { m.RateLimitHabits.LongestSeconds = 5 }, "longest_seconds (5) must not be less than a window (10)"},
		"an id in the credential's header": {func(m *abi.Manifest) { m.RequestIDHeader = "X-Api-Key" }, "request_id_header"},
		"a challenge for the guest":        {func(m *abi.Manifest) { m.ResponseHeaders = []string{"www-authenticate"} }, "response_headers"},
		"a credential of the proxy":        {func(m *abi.Manifest) { m.Auth[0].Header = "Proxy-Authorization" }, "auth"},
		"a credential as the client":       {func(m *abi.Manifest) { m.Auth[0].Header = "x-forwarded-for" }, "auth"},
		"a time layout without separators": {func(m *abi.Manifest) { m.TimeLayouts = []string{"YYYYMMDDhhmmss     "} }, "time_layouts"},
		"a time layout with Z between":     {func(m *abi.Manifest) { m.TimeLayouts = []string{"YYYYZMMZDDZhhZmmZss"} }, "time_layouts"},
		"cookies for the guest":            {func(m *abi.Manifest) { m.ResponseHeaders = []string{"set-cookie"} }, "response_headers"},
		"the credential's header for it":   {func(m *abi.Manifest) { m.ResponseHeaders = []string{"authorization"} }, "response_headers"},
		"a response header in upper case":  {func(m *abi.Manifest) { m.ResponseHeaders = []string{"X-Id"} }, "response_headers"},
		"a parameter with a value":         {func(m *abi.Manifest) { m.ContentTypeParameters = []string{"a=b"} }, "content_type_parameters"},
		"a time layout of Go":              {func(m *abi.Manifest) { m.TimeLayouts = []string{"2006-01-02 15:04:05"} }, "time_layouts"},
		"a time layout with text":          {func(m *abi.Manifest) { m.TimeLayouts = []string{"YYYY-MM-DD hh:mm:ss PST"} }, "time_layouts"},
		"a view of no operation":           {func(m *abi.Manifest) { m.Views[0].Operation = "join" }, `view "recent": operation "join" is not one of the module's on surface sql`},
		"a view twice":                     {func(m *abi.Manifest) { m.Views = append(m.Views, m.Views[0]) }, `view "recent" is listed twice`},
		"a view with an unknown field":     {func(m *abi.Manifest) { m.Views[0].Input = json.RawMessage(`{"al":1}`) }, `range has no input field "al"`},
		"a view with an unknown time":      {func(m *abi.Manifest) { m.Views[0].Times["from"] = 0 }, `range has no input field "from"`},
		"a view with a field twice":        {func(m *abi.Manifest) { m.Views[0].Input = json.RawMessage(`{"since":""}`) }, "in both input and times"},
		"a view without a required field": {func(m *abi.Manifest) {
			m.Operations[1].InputSchema = json.RawMessage(`{"properties":{"since":{},"until":{},"all":{},"id":{}},"required":["id"]}`)
		}, `range requires the field "id"`},
		"a view of an input that is a list": {func(m *abi.Manifest) { m.Views[0].Input = json.RawMessage(`[]`) }, "must be a JSON object"},
		"a view's name that is SQL":         {func(m *abi.Manifest) { m.Views[0].Name = `a"; DROP` }, "lower-case letters"},
		"a backfill of no operation":        {func(m *abi.Manifest) { m.Operations[0].Backfill.Operation = "x" }, `backfill: operation "x"`},
		"a backfill of no source":           {func(m *abi.Manifest) { m.Operations[1].Backfill = m.Operations[0].Backfill }, "backfill is only for operations on surface ingest"},
		"a backfill without since": {func(m *abi.Manifest) {
			m.Views = nil
			m.Operations[1].InputSchema = json.RawMessage(`{"properties":{"until":{}}}`)
		}, `has no input field "since"`},
		"a backfill without a time":    {func(m *abi.Manifest) { m.Operations[0].Backfill.Time = "" }, "top-level member"},
		"a query name twice":           {func(m *abi.Manifest) { m.Operations[1].Endpoints[0].Query = []string{"a", "a"} }, `query "a"`},
		"an empty query name":          {func(m *abi.Manifest) { m.Operations[1].Endpoints[0].Query = []string{""} }, `query ""`},
		"a guard that holds by a 403":  {func(m *abi.Manifest) { m.Operations[2].Endpoints[2].Guards[0].Statuses = []int{404, 403} }, "guard: status 403"},
		"a guard that holds by a 401":  {func(m *abi.Manifest) { m.Operations[2].Endpoints[2].Guards[0].Statuses = []int{401} }, "guard: status 401"},
		"a guard of no kind":           {func(m *abi.Manifest) { m.Operations[2].Endpoints[2].Guards[0].Kind = "" }, "guard: kind is missing"},
		"a guard that writes":          {func(m *abi.Manifest) { m.Operations[2].Endpoints[2].Guards[0].Read = "PATCH /users/{id}" }, "is not a GET of the operation"},
		"a guard with a foreign blank": {func(m *abi.Manifest) { m.Operations[2].Endpoints[1].Guards[0].Blank = "id" }, "{group} is not a blank of the endpoint"},
		"a guard with half of a pair":  {func(m *abi.Manifest) { m.Operations[2].Endpoints[1].Guards[0].Blank = "" }, "set both each and blank, or neither"},
		"a guard of another class":     {func(m *abi.Manifest) { m.Operations[2].Endpoints[2].Guards[0].Class = abi.Destructive }, "guard: class"},
		"minor 0 with display": {func(m *abi.Manifest) {
			*m = minor0()
			m.Operations[0].Columns, m.Operations[0].Display = []abi.Column{{Name: "at", Type: abi.JSON}}, []string{"at"}
		}, "display needs minor version 1"},
		"minor 0 with rejections":      {func(m *abi.Manifest) { *m = minor0(); m.Operations[0].Rejections = []string{"a"} }, "rejections needs minor version 1"},
		"a rejection twice":            {func(m *abi.Manifest) { m.Operations[1].Rejections = []string{"a", "a"} }, `rejections: "a"`},
		"a rejection of no name":       {func(m *abi.Manifest) { m.Operations[1].Rejections = []string{"A b"} }, `rejections: "A b"`},
		"a display of no column":       {func(m *abi.Manifest) { m.Operations[1].Display[0] = "atx" }, `display: "atx" is not a column`},
		"a display of a column twice":  {func(m *abi.Manifest) { m.Operations[1].Display[0] = "who" }, `display: column "who" is listed twice`},
		"a display with an empty path": {func(m *abi.Manifest) { m.Operations[1].Display[1] = "who:" }, `display: "who:": only a column of type JSON`},
		"a display of a path of text":  {func(m *abi.Manifest) { m.Operations[1].Display[0] = "at:x" }, `display: "at:x": only a column of type JSON`},
		"a feature that is no name":    {func(m *abi.Manifest) { m.Requires = []string{"a b"} }, "requires"},
	} {
		m := sound()
		c.change(&m)
		err := m.Check()
		if err == nil || !slices.ContainsFunc(strings.Split(c.want, "|"), func(s string) bool { return strings.Contains(err.Error(), s) }) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// minor0 returns a manifest of minor version 0.
func minor0() abi.Manifest {
	m := sound()
	return abi.Manifest{ABI: m.ABI, Kind: m.Kind, Version: m.Version, ConfigSchema: m.ConfigSchema, RateLimitHeaders: m.RateLimitHeaders,
		Operations: []abi.Operation{{Name: "poll", Class: abi.Write, Surfaces: []abi.Surface{abi.Axon}, Idempotency: abi.Safe, InputSchema: json.RawMessage(`{}`),
			Endpoints: []abi.Endpoint{{Endpoint: "GET /log", Bucket: "log"}}}}}
}

func TestClass_OfPATCH_AllowsItUnlessRead(t *testing.T) {
	for class, want := range map[abi.Class]bool{abi.Read: false, abi.Write: true, abi.Destructive: true, abi.Privileged: true, "": false} {
		if class.Allows("PATCH") != want {
			t.Errorf("%q allows PATCH: %v", class, !want)
		}
	}
}

func TestRateLimitHabits_Unset_HaveDefaults(t *testing.T) {
	var none *abi.RateLimitHabits
	if none.Window() != 60 || none.Longest() != 75 {
		t.Errorf("without habits a window is %d s, the longest wait %d s", none.Window(), none.Longest())
	}
	if h := (&abi.RateLimitHabits{WindowSeconds: 1}); h.Window() != 1 || h.Longest() != 2 {
		t.Errorf("got %d, %d", h.Window(), h.Longest())
	}
}

func TestTimeLayout_OfLayouts_AcceptsCompleteOnes(t *testing.T) {
	for in, want := range map[string]string{"YYYY-MM-DD hh:mm:ss": "2006-01-02 15:04:05", "DD.MM.YYYY hh:mm:ss": "02.01.2006 15:04:05", "YYYY/MM/DDThh:mm:ssZ": "2006/01/02T15:04:05Z",
		"": "", "YYYY": "", "YYYY-MM-DD hh:mm": "", "YYYY-MM-DD hh:mm:ss:ss": "", "YYYY-MM-DD  hh:mm:ss  ": ""} {
		got, err := abi.TimeLayout(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}
