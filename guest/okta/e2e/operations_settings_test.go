package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// settingExamples are responses as in Okta's reference and in recordings of its SDKs, by path. Their secrets are removed from
// the records: those at the paths of secrets.
var settingExamples = map[string]struct {
	operation, body string
	secrets         []string
}{
	"/api/v1/groups/rules": {"list_group_rules", `[{"type":"group_rule","id":"0pr3f7zMZZHPgUoWO0g4","status":"INACTIVE","name":"Engineers","created":"2016-12-01T14:40:04.000Z","lastUpdated":"2016-12-01T14:40:04.000Z","conditions":{"people":{"users":{"exclude":["00u22w79JPMEeeuLr0g4"]},"groups":{"exclude":[]}},"expression":{"value":"user.role==\"Engineer\"","type":"urn:okta:expression:1.0"}},"actions":{"assignUserToGroups":{"groupIds":["00gjitX9HqABSoqTB0g3"]}}}]`, nil},
	"/api/v1/idps": {"list_identity_providers", `[{"id":"0oaulob4BFVa4zQvt0g3","type":"OIDC","issuerMode":"ORG_URL","name":"Example OpenID Connect IdP","status":"ACTIVE","created":"2019-02-07T20:07:47.000Z","lastUpdated":null,` +
		`"protocol":{"type":"OIDC","issuer":{"url":"https://idp.example.com"},"endpoints":{"authorization":{"url":"https://idp.example.com/authorize","binding":"HTTP-REDIRECT"}},"scopes":["openid"],"credentials":{"client":{"client_id":"your-client-id","client_secret":"your-client-secret"}}},` +
		`"policy":{"accountLink":{"action":"AUTO","filter":null},"provisioning":{"action":"AUTO","profileMaster":false},"maxClockSkew":0}}]`, []string{"0.protocol.credentials.client.client_secret"}},
	"/api/v1/trustedOrigins": {"list_trusted_origins", `[{"id":"tosue7JvguwJ7U6kz0g3","name":"Example Trusted Origin","origin":"http://example.com","scopes":[{"type":"CORS"}],"status":"ACTIVE","created":"2018-01-13T01:22:10.000Z","createdBy":"00ut5t92p6IEOi4bu0g3","lastUpdated":"2018-01-13T01:22:10.000Z","lastUpdatedBy":"00ut5t92p6IEOi4bu0g3"}]`, nil},
	"/api/v1/eventHooks": {"list_event_hooks", `[{"id":"who8tsqyrhCdmetzx135","status":"ACTIVE","verificationStatus":"VERIFIED","name":"Event Hook Test","created":"2021-05-03T00:00:00.000Z","createdBy":"00ucmukel4KHsPARU0h7","lastUpdated":null,"events":{"type":"EVENT_TYPE","items":["user.lifecycle.create"],"filter":null},` +
		`"channel":{"type":"HTTP","version":"1.0.0","config":{"uri":"https://example_external_service/userCreate","headers":[{"key":"X-Test-Header","value":"Test header value"}],"method":"POST","authScheme":{"type":"HEADER","key":"authorization"}}}}]`, []string{"0.channel.config.headers.0.value"}},
	"/api/v1/logStreams": {"list_log_streams", `[{"id":"0oa1orqUGCIoCGNxf0g4","type":"aws_eventbridge","name":"Example AWS EventBridge","lastUpdated":"2021-10-21T16:55:30.000Z","created":"2021-10-21T16:55:29.000Z","status":"ACTIVE","settings":{"accountId":"123456789012","eventSourceName":"your-event-source-name","region":"us-east-2"},"_links":{"self":{"href":"http://example.okta.com/api/v1/logStreams/0oa1orqUGCIoCGNxf0g4","method":"GET"}}},` +
		`{"id":"0oa1orzg0CHSgPcjZ0g4","type":"splunk_cloud_logstreaming","name":"My Splunk","lastUpdated":"2021-10-21T16:59:59.000Z","created":"2021-10-21T16:59:59.000Z","status":"ACTIVE","settings":{"edition":"gcp","host":"acme.splunkcloud.com","token":"11111111-1111-2222-2222-222222222222"}}]`, []string{"1.settings.token"}},
	"/api/v1/behaviors":             {"list_behaviors", `[{"id":"abcd1234","name":"My Behavior Rule","type":"VELOCITY","settings":{"velocityKph":805},"created":"2021-11-09 20:38:10.0","lastUpdated":"2021-11-11 20:38:10.0","status":"ACTIVE","_link":{"self":{"href":"https://example.okta.com/api/v1/org/behaviors/abcd1234","hints":{"allow":["GET","POST","PUT","DELETE"]}}}}]`, nil},
	"/api/v1/threats/configuration": {"get_threat_insight", `{"action":"block","excludeZones":["nzo1q7jEOsoCnoKcj0g4"],"created":"2020-08-05T22:18:30.629Z","lastUpdated":"2020-10-13T21:23:10.178Z","_links":{"self":{"href":"https://example.okta.com/api/v1/threats/configuration","hints":{"allow":["GET","POST"]}}}}`, nil},
}

func TestSettings_Examples_ComeOutWithoutSecrets(t *testing.T) {
	for path, e := range settingExamples {
		t.Run(e.operation, func(t *testing.T) {
			c := bound(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != path {
					t.Errorf("unexpected request: %s", r.URL)
				}
				w.Header().Set("Content-Type", "application/json")
				_, _ = w.Write([]byte(e.body))
			}))
			want := e.body
			for _, secret := range e.secrets {
				var err error
				if want, err = sjson.Delete(want, secret); err != nil || want == e.body {
					t.Fatalf("%s: %v", secret, err)
				}
			}
			got := []byte(world{Connection: c}.do(t, abi.Succeeded, e.operation, `{}`).Output)
			if records := gjson.GetBytes(got, "records"); records.Exists() {
				got = []byte(records.Raw)
			}
			if !same(t, got, []byte(want)) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// A token without the role gets a refusal that says what is missing.
func TestSettings_WithoutTheRole_AreRejected(t *testing.T) {
	var forbid []string
	for path := range settingExamples {
		forbid = append(forbid, "GET "+path)
	}
	w := newWorld(t, oktatest.Config{Forbid: forbid})
	for _, e := range settingExamples {
		if res := w.do(t, abi.Rejected, e.operation, `{}`); res.Error.Code != "forbidden" || !strings.Contains(res.Error.Message, "role") {
			t.Errorf("%s: %+v", e.operation, res.Error)
		}
	}
}
