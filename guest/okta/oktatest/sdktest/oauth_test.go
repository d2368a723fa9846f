//go:build long

package sdktest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/okta/okta-sdk-golang/v6/okta"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// TestServiceApp_OfOktasClient_SignsIn has Okta's own client as the judge of the simulated token endpoint.
func TestServiceApp_OfOktasClient_SignsIn(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	for name, dpop := range map[string]bool{"with DPoP": true, "without DPoP": false} {
		t.Run(name, func(t *testing.T) {
			app := oktatest.ServiceApp{ClientID: "0oasimulated00000001", Scopes: []string{"okta.users.read", "okta.groups.read"}, DPoP: dpop,
				Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Use: "sig", Algorithm: "RS256"}}}
			server := oktatest.New(oktatest.Config{ServiceApps: []oktatest.ServiceApp{app}}).Start()
			t.Cleanup(func() { server.Close() })
			cfg, err := okta.NewConfiguration(
				okta.WithOrgUrl(server.URL),
				okta.WithAuthorizationMode("PrivateKey"),
				okta.WithClientId(app.ClientID),
				okta.WithScopes(app.Scopes),
				okta.WithPrivateKey(text),
				okta.WithPrivateKeyId("k1"),
				okta.WithTestingDisableHttpsCheck(true),
				okta.WithCache(false),
				okta.WithRateLimitMaxRetries(0),
			)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Host = strings.TrimPrefix(server.URL, "http://") // the client drops the port of its URL
			client := okta.NewAPIClient(cfg)
			for range 2 {
				users, _, err := client.UserAPI.ListUsers(t.Context()).Limit(3).Execute()
				if err != nil || len(users) != 3 {
					t.Fatalf("%d users, %v", len(users), err)
				}
			}
			if _, _, err := client.DeviceAPI.ListDevices(t.Context()).Execute(); err == nil {
				t.Error("devices are listed without their scope")
			}
			issued := server.IssuedTokens()
			if len(issued) == 0 || issued[0].DPoP != dpop {
				t.Errorf("%+v", issued)
			}
		})
	}
}
