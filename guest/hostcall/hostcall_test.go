package hostcall_test

import (
	"testing"

	"github.com/mach5/okta-connector/guest/hostcall"
)

// secret is a host that implements only secret_get.
type secret struct {
	hostcall.Imports
	answer string
}

func (s secret) SecretGet(string) string { return s.answer }

func TestCredential_OfTheHost_IsItsHeader(t *testing.T) {
	for answer, want := range map[string]struct {
		header hostcall.Pair
		err    string
	}{
		`{"scheme":"SSWS","placeholder":"{secret:1}"}`:                        {hostcall.Pair{Name: "Authorization", Value: "SSWS {secret:1}"}, ""},
		`{"header":"X-Api-Key","placeholder":"{secret:1}"}`:                   {hostcall.Pair{Name: "X-Api-Key", Value: "{secret:1}"}, ""},
		`{"header":"X-Auth","scheme":"Key","placeholder":"{secret:1}","x":1}`: {hostcall.Pair{Name: "X-Auth", Value: "Key {secret:1}"}, ""},
		`{"error":"unknown secret"}`:                                          {hostcall.Pair{}, "unknown secret"},
		`no JSON`:                                                             {hostcall.Pair{}, "the host's answer is not JSON"},
	} {
		header, err := hostcall.New(secret{answer: answer}).Credential("token")
		if header != want.header || err != want.err {
			t.Errorf("%s: %+v, %q", answer, header, err)
		}
	}
}
