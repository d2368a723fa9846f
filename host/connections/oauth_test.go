package connections

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mach5/okta-connector/host"
)

const oauthHead = "connections:\n  - name: a\n    kind: okta\n    base_url: https://example.okta.com\n"

func TestReadFile_WithOAuth_ReadsEveryField(t *testing.T) {
	path := filepath.Join(t.TempDir(), "connections.yaml")
	text := oauthHead + `    oauth:
      client_id: 0oa1
      private_key_ref: file:okta.pem
      key_id: k1
      scopes: [okta.users.read, okta.groups.read]
      dpop: off
  - {name: b, kind: okta, base_url: 'https://example.okta.com', oauth: {client_id: 0oa2, private_key_ref: "env:KEY"}}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := okta(t).ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []host.Config{
		{Name: "a", Kind: "okta", BaseURL: "https://example.okta.com", OAuth: host.OAuth{ClientID: "0oa1", PrivateKeyRef: "file:" + filepath.Join(filepath.Dir(path), "okta.pem"), KeyID: "k1",
			Scopes: []string{"okta.users.read", "okta.groups.read"}, DPoP: "off"}},
		{Name: "b", Kind: "okta", BaseURL: "https://example.okta.com", OAuth: host.OAuth{ClientID: "0oa2", PrivateKeyRef: "env:KEY"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParse_OAuthMistake_SaysWhatToWrite(t *testing.T) {
	s := okta(t)
	const client = "    oauth: {client_id: 0oa1, private_key_ref: 'file:k'}\n"
	for name, c := range map[string]struct{ text, want string }{
		"both":                         {client + "    token_secret_ref: env:A\n", ":6: field token_secret_ref: the connection has oauth, too, and signs in with only one of them: remove one"},
		"both, the other way round":    {"    token_secret_ref: env:A\n" + client, ":6: field oauth: the connection has token_secret_ref, too"},
		"neither":                      {"    grants: [read]\n", ":2: connection a has no token_secret_ref: write the location of the API token: env:OKTA_API_TOKEN, file:PATH or keyring:NAME. Or sign in with OAuth: write oauth: {client_id: ID, private_key_ref: file:PATH}"},
		"no client_id":                 {"    oauth: {private_key_ref: 'file:k'}\n", ":5: oauth: has no client_id: write the id of the service app"},
		"no key":                       {"    oauth: {client_id: 0oa1}\n", ":5: oauth: has no private_key_ref: write the location of the private key"},
		"a text":                       {"    oauth: yes please\n", ":5: oauth: want fields (name: value), found text"},
		"nothing":                      {"    oauth:\n", ":5: oauth: want fields (name: value), found nothing"},
		"the key itself":               {"    oauth:\n      client_id: 0oa1\n      private_key_ref: " + secret + "\n", ":7: oauth: private_key_ref: not a reference (is it the key itself?): put the key into a file of mode 0600, and write file:PATH"},
		"a PEM block":                  {"    oauth:\n      client_id: 0oa1\n      private_key_ref: |\n        -----BEGIN PRIVATE KEY-----\n        " + secret + "\n", ":7: oauth: private_key_ref: not a reference (is it the key itself?)"},
		"another kind of reference":    {"    oauth: {client_id: 0oa1, private_key_ref: 'vault:k'}\n", ":5: oauth: private_key_ref: unknown kind of reference vault: write the location of the private key"},
		"an unknown field":             {"    oauth: {client_id: 0oa1, private_key_ref: 'file:k', keyid: x}\n", ":5: oauth: unknown field keyid: there are client_id, private_key_ref, key_id, scopes, dpop. Did you mean key_id?"},
		"kid":                          {"    oauth: {client_id: 0oa1, private_key_ref: 'file:k', kid: x}\n", ":5: oauth: field kid: write key_id in oauth"},
		"scope":                        {"    oauth: {client_id: 0oa1, private_key_ref: 'file:k', scope: x}\n", ":5: oauth: field scope: write scopes: [SCOPE, …] in oauth"},
		"a private key in the file":    {"    oauth: {client_id: 0oa1, private_key: " + secret + "}\n", ":5: oauth: field private_key: a secret does not belong in this file. Put the private key into a file of mode 0600, and write private_key_ref: file:PATH"},
		"a client secret":              {"    oauth: {client_id: 0oa1, private_key_ref: 'file:k', client_secret: " + secret + "}\n", ":5: oauth: field client_secret: a client signs in with a private key, not with a shared secret"},
		"a token endpoint":             {"    oauth: {client_id: 0oa1, private_key_ref: 'file:k', token_url: 'https://x'}\n", ":5: oauth: field token_url: the token endpoint is at base_url"},
		"scopes as text":               {"    oauth: {client_id: 0oa1, private_key_ref: 'file:k', scopes: okta.users.read okta.logs.read}\n", ":5: oauth: scopes: want a list, found text: write [okta.users.read, okta.logs.read]"},
		"no scopes":                    {"    oauth: {client_id: 0oa1, private_key_ref: 'file:k', scopes: []}\n", ":5: oauth: scopes: the list is empty: leave the field out"},
		"a scope twice":                {"    oauth: {client_id: 0oa1, private_key_ref: 'file:k', scopes: [a, a]}\n", ":5: oauth: scopes: a is listed twice: remove one"},
		"another dpop":                 {"    oauth: {client_id: 0oa1, private_key_ref: 'file:k', dpop: always}\n", ":5: oauth: dpop: no always: there are auto, required, off"},
		"a boolean dpop":               {"    oauth: {client_id: 0oa1, private_key_ref: 'file:k', dpop: true}\n", ":5: oauth: dpop: want one of auto, required, off"},
		"a field of oauth outside":     {"    client_id: 0oa1\n", ":5: field client_id: it belongs in oauth: write oauth: {client_id: …} with client_id and private_key_ref"},
		"a private key outside":        {"    private_key: " + secret + "\n", ":5: field private_key: a secret does not belong in this file"},
		"a client secret outside":      {"    client_secret: " + secret + "\n", ":5: field client_secret: a client signs in with a private key"},
		"another spelling of the mode": {"    auth_mode: oauth\n", ":5: field auth_mode: write oauth: {client_id: ID, private_key_ref: file:PATH}"},
		"a key reference with a name":  {"    private_key_file: k.pem\n", ":5: field private_key_file: write oauth: {client_id: ID, private_key_ref: file:PATH}"},
		"a client id as a number":      {"    oauth: {client_id: 7, private_key_ref: 'file:k'}\n", ":5: oauth: client_id: want text, found a number: put it in quotes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Parse([]byte(oauthHead + c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v\nwant %s", err, c.want)
			}
			if len(Faults(err)) != 1 {
				t.Errorf("%d faults: %v", len(Faults(err)), Faults(err))
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("shows the secret: %v", err)
			}
		})
	}
}
