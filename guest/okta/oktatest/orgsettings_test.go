package oktatest_test

import (
	"net/url"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func TestOrgSettings_EachList_IsOktas(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	for path, names := range map[string]string{
		"idps?q=PORTAL":           "[Partner portal]",
		"idps?type=SAML2":         "[Parent company]",
		"trustedOrigins?q=https:": "[Intranet Support portal]",
		"trustedOrigins?filter=" + url.QueryEscape(`type eq "REDIRECT" and status eq "ACTIVE"`): "[Intranet Support portal]",
		"trustedOrigins?filter=" + url.QueryEscape(`origin eq "http://shop.example.com"`):       "[Old shop]",
		"eventHooks": "[Security alerts Joiners]",
		"logStreams": "[EventBridge Splunk]",
		"logStreams?filter=" + url.QueryEscape(`type eq "aws_eventbridge"`): "[EventBridge]",
		"behaviors": "[New Device New City Velocity]",
	} {
		r := h.get("/api/v1/" + path)
		h.want(r, 200, "")
		same(t, path, r.strings("#.name"), names)
	}
	same(t, "ThreatInsight", h.get("/api/v1/threats/configuration").get("action").Str, "audit")
	same(t, "time of a behavior", h.get("/api/v1/behaviors").get("0.created").Str, "2029-02-25 12:00:00.0")
	for _, path := range []string{"trustedOrigins?filter=" + url.QueryEscape(`id eq "x"`), "logStreams?filter=" + url.QueryEscape(`name eq "x"`),
		"logStreams?filter=" + url.QueryEscape(`type eq "aws_eventbridge" and status eq "ACTIVE"`), "logStreams?filter=" + url.QueryEscape(`status eq "ACTIVE" or status eq "INACTIVE"`),
		"logStreams?filter=" + url.QueryEscape(`(type eq "aws_eventbridge")`)} {
		h.want(h.get("/api/v1/"+path), 400, "E0000031")
	}
	h.want(h.get("/api/v1/idps?after=elsewhere"), 400, "E0000001")
}

// An identity provider's page has a next link as long as it has records.
func TestOrgSettings_Pages_EndAsRecorded(t *testing.T) {
	h := newHarness(t, oktatest.Config{})
	for path, want := range map[string]int{"idps?limit=2": 3, "trustedOrigins?limit=2": 2, "logStreams?limit=1": 2} {
		_, pages := h.pages("/api/v1/"+path, "#.id")
		same(t, path, pages, want)
	}
}
