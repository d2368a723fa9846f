package oktatest_test

import (
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/internal/observed"
)

// TestOAuthClients_Listed_MatchOktasExample compares GET /oauth2/v1/clients, which is not in Okta's OpenAPI document,
// with Okta's own example: no other members, and the same types.
func TestOAuthClients_Listed_MatchOktasExample(t *testing.T) {
	text := observed.File(t, "examples/GET_oauth2_v1_clients.json")
	types := map[string]map[gjson.Type]bool{"client_secret": {gjson.String: true}} // in some of Okta's responses
	elements := map[string]bool{}
	for _, client := range gjson.GetBytes(text, "responses.200.All Clients").Array() {
		client.ForEach(func(name, value gjson.Result) bool {
			if types[name.Str] == nil {
				types[name.Str] = map[gjson.Type]bool{}
			}
			types[name.Str][value.Type] = true
			for _, e := range value.Array() {
				if value.IsArray() {
					elements[name.Str+" "+e.Str] = true
				}
			}
			return true
		})
	}
	h := newHarness(t, oktatest.Config{OAuthClients: 8})
	clients := h.get("/oauth2/v1/clients?limit=3")
	if len(clients.get("@this").Array()) != 3 || clients.next() == "" || h.get("/oauth2/v1/clients?q=Client").Code != 200 {
		t.Errorf("%s", clients.body)
	}
	for _, client := range h.get("/oauth2/v1/clients").get("@this").Array() {
		client.ForEach(func(name, value gjson.Result) bool {
			if !types[name.Str][value.Type] {
				t.Errorf("%s is of a type that the example does not have: %s", name.Str, value.Raw)
			}
			return true
		})
		for _, member := range []string{"grant_types", "response_types"} {
			for _, e := range client.Get(member).Array() {
				if !elements[member+" "+e.Str] {
					t.Errorf("%s has %s, which the example does not have", member, e.Str)
				}
			}
		}
	}
}
