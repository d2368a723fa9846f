package connections

import (
	"errors"
	"strings"
	"testing"
)

// TestChange_EachWayToWriteIt_KeepsTheRest sets fields that are there and fields that are not.
func TestChange_EachWayToWriteIt_KeepsTheRest(t *testing.T) {
	s := okta(t)
	const text = `# mine
connections:
  - name: other   # stays
    kind: okta
    base_url: https://other.okta.com
    token_secret_ref: env:A
  - name: a
    kind: okta
    base_url: https://example.okta.com
    proxy: http://old.example.com   # until May
    oauth:
      client_id: 0oa1
      private_key_ref: file:old.pem
`
	got, err := s.Change([]byte(text), "a", []Field{{[]string{"proxy"}, "http://new.example.com:3128"}, {[]string{"tls_min"}, "1.3"},
		{[]string{"oauth", "private_key_ref"}, "file:/keys/new.pem"}, {[]string{"oauth", "scopes"}, []string{"okta.users.read", "okta.logs.read"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("http://old.example.com ", `"http://new.example.com:3128" `, "file:old.pem", "file:/keys/new.pem",
		"  - name: a\n", "  - name: a\n    tls_min: \"1.3\"\n", "client_id: 0oa1\n", "client_id: 0oa1\n      scopes: [okta.users.read, okta.logs.read]\n").Replace(text)
	if string(got) != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// TestChange_TextThatCannotBeChanged_SaysWhatToWrite has other ways to write YAML, and a value that is not valid.
func TestChange_TextThatCannotBeChanged_SaysWhatToWrite(t *testing.T) {
	s := okta(t)
	for name, text := range map[string]string{
		"braces":        "connections:\n- {name: a, kind: okta, base_url: 'https://example.okta.com', token_secret_ref: 'env:A'}\n",
		"another line":  "connections:\n- name: a\n  kind: okta\n  base_url: https://example.okta.com\n  token_secret_ref: env:A\n  proxy:\n    http://old.example.com\n",
		"no connection": "connections:\n- name: b\n  kind: okta\n  base_url: https://example.okta.com\n  token_secret_ref: env:A\n",
	} {
		_, err := s.Change([]byte(text), "a", []Field{{[]string{"proxy"}, "http://new.example.com"}})
		if !errors.Is(err, ErrNotAdded) || !strings.Contains(err.Error(), "write these fields of connection a yourself: proxy: http://new.example.com") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.Change([]byte(oauthHead+"    token_secret_ref: env:A\n"), "a", []Field{{[]string{"proxy"}, "no address"}}); !errors.Is(err, ErrNotAdded) {
		t.Errorf("a value that is not valid: %v", err)
	}
}

func FuzzChange(f *testing.F) {
	f.Add([]byte(good), "http://new.example.com")
	f.Add([]byte(oauthHead+"    token_secret_ref: env:A\n"), "x: y\n#")
	s := okta(f)
	f.Fuzz(func(t *testing.T, text []byte, value string) {
		changed, err := s.Change(text, "a", []Field{{[]string{"proxy"}, value}})
		if err != nil {
			return
		}
		configs, err := s.Parse(changed)
		if err != nil {
			t.Fatalf("%v: %q", err, changed)
		}
		for _, c := range configs {
			if c.Name == "a" && c.Proxy != value {
				t.Errorf("the proxy is %q, want %q", c.Proxy, value)
			}
		}
	})
}
