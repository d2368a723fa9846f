package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/openapi"
)

// shelf serves objects by path, and replaces them like Okta: members that Okta sets are kept. Written objects are
// checked against Okta's document.
type shelf struct {
	mu       sync.Mutex
	objects  map[string]map[string]any
	puts     int
	switched int
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	path, step, _ := strings.Cut(r.URL.Path, "/lifecycle/")
	have := s.objects[path]
	if have == nil {
		w.WriteHeader(http.StatusNotFound)
		typ := "Policy"
		if strings.Contains(r.URL.Path, "zones") {
			typ = "NetworkZone"
		}
		_, _ = io.WriteString(w, `{"errorCode":"E0000007","errorSummary":"Not found: Resource not found: x (`+typ+`)","errorLink":"E0000007","errorId":"oae1","errorCauses":[]}`)
		return
	}
	if r.Method == http.MethodPut {
		var put map[string]any
		_ = json.NewDecoder(r.Body).Decode(&put)
		for _, name := range []string{"id", "status", "created", "system", "_links"} {
			put[name] = have[name]
		}
		put["lastUpdated"] = "2026-07-02T00:00:00.000Z"
		s.objects[r.URL.Path], have = put, put
		s.puts++
	}
	if step != "" { // only these requests change a status
		have["status"] = map[string]string{"activate": "ACTIVE", "deactivate": "INACTIVE"}[step]
		s.switched++
	}
	_ = json.NewEncoder(w).Encode(have)
}

func newShelf(t *testing.T, objects map[string]string) (world, *shelf) {
	t.Helper()
	judge, err := openapi.Load()
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{objects: map[string]map[string]any{}}
	for path, text := range objects {
		var o map[string]any
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		s.objects[path] = o
	}
	return world{Connection: bound(t, judge.Middleware(t, s), abi.Classes()...)}, s
}

const shelved = `"created":"2026-07-01T00:00:00.000Z","lastUpdated":"2026-07-01T00:00:00.000Z","_links":{"self":{"href":"https://example.okta.com/x"}}`

func TestUpdatePolicy_RecordedPolicies_AreWrittenAsOktaAccepts(t *testing.T) {
	w, s := newShelf(t, map[string]string{
		"/api/v1/policies/signon": `{"id":"signon","type":"OKTA_SIGN_ON","name":"S","status":"ACTIVE","priority":1,"system":false,"conditions":{"people":{"groups":{"include":["00g1"]}}},` + shelved + `}`,
		"/api/v1/policies/mfa":    `{"id":"mfa","type":"MFA_ENROLL","name":"M","status":"ACTIVE","priority":1,"system":false,"conditions":{"people":{"groups":{"include":["00g1"]}}},"settings":{"type":"AUTHENTICATORS","authenticators":[{"key":"okta_email","enroll":{"self":"NOT_ALLOWED"}},{"key":"okta_password","enroll":{"self":"REQUIRED"}}]},` + shelved + `}`,
		"/api/v1/policies/access": `{"id":"access","type":"ACCESS_POLICY","name":"A","status":"ACTIVE","priority":1,"system":false,"conditions":null,"_embedded":{"resourceType":"APP"},` + shelved + `}`,
		"/api/v1/policies/pass":   `{"id":"pass","type":"PASSWORD","name":"P","status":"ACTIVE","priority":1,"system":true,"conditions":{"people":{"groups":{"include":["00g1"]}},"authProvider":{"provider":"OKTA"}},"settings":{"password":{"complexity":{"minLength":8},"age":{"maxAgeDays":0}}},` + shelved + `}`,
	})
	for i, id := range []string{"signon", "mfa", "access", "pass"} {
		input := `{"policy":"` + id + `","patch":{"description":"Reviewed"}}`
		res := w.do(t, abi.Succeeded, "update_policy", input)
		if get(t, res.Output, "after", "description") != "Reviewed" || s.puts != i+1 || len(res.Meta.Warnings) != 0 {
			t.Errorf("%s: %s %q", id, res.Output, res.Meta.Warnings)
		}
		w.do(t, abi.Unchanged, "update_policy", input)
	}
	w.do(t, abi.Succeeded, "get_policy", `{"policy":"pass"}`)
	w.do(t, abi.NotFound, "get_policy", `{"policy":"none"}`)
	w.do(t, abi.NotFound, "update_policy", `{"policy":"none","patch":{"name":"x"}}`)
	w.do(t, abi.Invalid, "update_policy", `{"policy":"pass","patch":{}}`)
	w.do(t, abi.Invalid, "update_policy", `{"policy":"pass","patch":{"id":"x"}}`)
	if s.puts != 4 {
		t.Errorf("%d writes", s.puts)
	}
}

func TestUpdateZone_RecordedZones_AreWrittenAsOktaAccepts(t *testing.T) {
	w, s := newShelf(t, map[string]string{
		"/api/v1/zones/nzoblock":  `{"id":"nzoblock","type":"IP","name":"BlockedIpZone","status":"ACTIVE","usage":"BLOCKLIST","system":true,"gateways":[],"proxies":null,` + shelved + `}`,
		"/api/v1/zones/nzoexempt": `{"id":"nzoexempt","type":"IP","name":"DefaultExemptIpZone","status":"ACTIVE","usage":"POLICY","system":true,"useAsBlackList":false,"useAsExemptList":true,"gateways":[{"type":"CIDR","value":"1.2.3.4/32"}],"proxies":null,` + shelved + `}`,
		"/api/v1/zones/nzov2":     `{"id":"nzov2","type":"DYNAMIC_V2","name":"V","status":"ACTIVE","usage":"POLICY","system":false,"locations":{"include":[],"exclude":[{"country":"BE","region":"BE-VAN"}]},"ipServiceCategories":{"include":["GOOGLE_VPN"],"exclude":[]},"asns":{"include":[],"exclude":[]},` + shelved + `}`,
	})
	res := w.do(t, abi.Succeeded, "update_zone", `{"zone":"nzoblock","add_gateways":["203.0.113.7","198.51.100.0/24","192.0.2.1-192.0.2.9"]}`)
	if gateways := get(t, res.Output, "after", "gateways"); !strings.Contains(gateways, "203.0.113.7-203.0.113.7") || !strings.Contains(gateways, `"198.51.100.0/24"`) {
		t.Errorf("%s", gateways)
	}
	w.do(t, abi.Unchanged, "update_zone", `{"zone":"nzoblock","add_gateways":["203.0.113.7/32","198.51.100.0-198.51.100.255"]}`)
	w.do(t, abi.Succeeded, "update_zone", `{"zone":"nzoblock","remove_gateways":["203.0.113.7"]}`)
	w.do(t, abi.Unchanged, "update_zone", `{"zone":"nzoblock","remove_gateways":["203.0.113.7"]}`)
	w.do(t, abi.Rejected, "update_zone", `{"zone":"nzoblock","remove_gateways":["198.51.100.7"]}`)
	w.do(t, abi.Succeeded, "update_zone", `{"zone":"nzoexempt","add_gateways":["203.0.113.7"]}`)
	w.do(t, abi.Succeeded, "update_zone", `{"zone":"nzov2","patch":{"status":"INACTIVE"}}`)
	w.do(t, abi.Rejected, "update_zone", `{"zone":"nzov2","add_gateways":["203.0.113.7"]}`)
	w.do(t, abi.NotFound, "update_zone", `{"zone":"nzonone","patch":{"name":"x"}}`)
	w.do(t, abi.NotFound, "get_zone", `{"zone":"nzonone"}`)
	for _, input := range []string{`{"zone":"nzoblock"}`, `{"zone":"nzoblock","add_gateways":[]}`, `{"zone":"nzoblock","add_gateways":["nonsense"]}`, `{"zone":"nzoblock","patch":{"type":"DYNAMIC"}}`} {
		w.do(t, abi.Invalid, "update_zone", input)
	}
	if s.puts != 3 || s.switched != 1 { // a separate request sets the status
		t.Errorf("%d writes and %d switches", s.puts, s.switched)
	}
}
