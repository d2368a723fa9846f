package connections

import (
	"errors"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host"
)

func TestAdd_ToAFile_KeepsWhatIsThere(t *testing.T) {
	s := okta(t)
	added := host.Config{Name: "new", Kind: "okta", BaseURL: "https://new.okta.com", TokenSecretRef: "keyring:new", Proxy: "http://p:1"}
	const entry = "- {name: a, kind: okta, base_url: 'https://a.okta.com', token_secret_ref: env:A}"
	for _, before := range []string{
		"", "\n", "connections:\n  " + entry + "\n", "# mine\nconnections: # all\n" + entry + "   # the first\n\n\n", "connections:\n      " + entry,
	} {
		text, err := s.Add([]byte(before), added)
		if err != nil {
			t.Errorf("%q: %v", before, err)
			continue
		}
		if !strings.HasPrefix(string(text), strings.TrimRight(before, "\n")) {
			t.Errorf("%q became %q", before, text)
		}
		all, err := s.Parse(text)
		if err != nil || len(all) == 0 || all[len(all)-1].BaseURL != added.BaseURL || all[len(all)-1].Proxy != added.Proxy {
			t.Errorf("%q became %q: %v", before, text, err)
		}
	}
}

func TestAdd_ToAFileThatDoesNotFit_ChangesNothing(t *testing.T) {
	s := okta(t)
	added := host.Config{Name: "new", Kind: "okta", BaseURL: "https://new.okta.com", TokenSecretRef: "keyring:new"}
	for before, notAdded := range map[string]bool{
		"connections: [{name: a, kind: okta, base_url: 'https://a.okta.com', token_secret_ref: env:A}]\n":          true,
		"connections:\n  - {name: new, kind: okta, base_url: 'https://a.okta.com', token_secret_ref: env:A}\n":     false,
		"connections:\n  - {name: a, kind: okta, base_url: 'https://a.okta.com', token_secret_ref: env:A, x: 1}\n": false,
		"not a list": false,
	} {
		if text, err := s.Add([]byte(before), added); err == nil || errors.Is(err, ErrNotAdded) != notAdded || text != nil {
			t.Errorf("%q: %q, %v", before, text, err)
		}
	}
}
