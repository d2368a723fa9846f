package oktatest_test

import (
	"net/url"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func TestAuthorizationServers_Listed_AreOktas(t *testing.T) {
	h := newHarness(t, oktatest.Config{AuthorizationServers: 5})
	var want []string
	for _, s := range h.org.AuthorizationServers() {
		want = append(want, gjson.GetBytes(s, "id").Str)
	}
	got, pages := h.pages("/api/v1/authorizationServers?limit=2", "#.id")
	same(t, "servers", got, want)
	same(t, "pages", pages, 3)
	for q, want := range map[string]string{"ware": "[Warehouse API]", "API://DEFAULT": "[default]", "nothing": "[]"} {
		same(t, q, h.get("/api/v1/authorizationServers?q="+url.QueryEscape(q)).strings("#.name"), want)
	}
	same(t, "issuer", h.get("/api/v1/authorizationServers").get("0.issuer").Str, "http://example.com/oauth2/default")
	same(t, "statuses", h.get("/api/v1/authorizationServers?limit=3").strings("#.status"), "[ACTIVE ACTIVE INACTIVE]")
	h.want(h.get("/api/v1/authorizationServers?after=elsewhere"), 400, "E0000001")
	many := newHarness(t, oktatest.Config{AuthorizationServers: 220})
	same(t, "default limit", len(many.get("/api/v1/authorizationServers").strings("#.id")), 200)
}

func TestAuthorizationServer_Parts_AreListed(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	id := gjson.GetBytes(h.org.AuthorizationServers()[0], "id").Str
	for part, first := range map[string]string{"scopes": "openid", "claims": "sub", "clients": "Okta Admin Console"} {
		r := h.get("/api/v1/authorizationServers/" + id + "/" + part)
		h.want(r, 200, "")
		same(t, part, r.get("0.name").Str+r.get("0.client_name").Str, first)
		same(t, "Link of "+part, r.Header().Values("Link"), "[]")
		byName := h.get("/api/v1/authorizationServers/default/" + part)
		same(t, part+" of default", byName.get("0.id").Str+byName.get("0.client_id").Str, r.get("0.id").Str+r.get("0.client_id").Str)
		r = h.get("/api/v1/authorizationServers/ausnowhere/" + part)
		h.want(r, 404, "E0000007")
		same(t, "summary", r.get("errorSummary").Str, "Not found: Resource not found: ausnowhere (AuthorizationServer)")
	}
	if newHarness(t, oktatest.Config{AuthorizationServers: -1}).get("/api/v1/authorizationServers/default/scopes").Code != 404 {
		t.Error("an org without authorization servers lists the default one")
	}
}

func TestScopes_WithALimit_ArePaged(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	const scopes = "/api/v1/authorizationServers/default/scopes"
	all := h.get(scopes).strings("#.id")
	got, pages := h.pages(scopes+"?limit=3", "#.id")
	same(t, "scopes", got, all)
	same(t, "pages", pages, 3)
	same(t, "q", h.get(scopes+"?q=stock").strings("#.name"), "[stock:read stock:write]")
	same(t, "filter", h.get(scopes+"?filter="+url.QueryEscape(`name eq "email"`)).strings("#.name"), "[email]")
	h.want(h.get(scopes+"?filter="+url.QueryEscape(`colour eq "red"`)), 400, "E0000031")
	h.want(h.get(scopes+"?after=elsewhere"), 400, "E0000001")
	small := newHarness(t, oktatest.Config{MaxPageSize: 2})
	_, pages = small.pages(scopes, "#.id")
	same(t, "pages of a small org", pages, 4)
}
