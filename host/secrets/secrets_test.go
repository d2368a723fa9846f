package secrets_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host/secrets"
)

const token = "00aTokenOfATest"

func TestValue_HoweverItIsPrinted_IsRedacted(t *testing.T) {
	v := secrets.New(token)
	if v.Reveal() != token {
		t.Fatalf("Reveal: %q", v.Reveal())
	}
	hidden := struct {
		v   secrets.Value
		all []secrets.Value
	}{v, []secrets.Value{v}}
	verbs := "%v %+v %#v %s %q %x %d" // fmt calls no method of a field that is not exported
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("a value", "value", v, "within", struct{ V secrets.Value }{v}, "pointer", &v)
	encoded, err := json.Marshal(map[string]any{"v": v, "p": &v, "s": []secrets.Value{v}})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		log.String(), string(encoded), v.String(), v.GoString(),
		fmt.Sprintf("%v %+v %#v %s %q %x %d %T", v, v, v, v, v, v, v, v),
		fmt.Sprintf("%v %+v %#v", struct{ V secrets.Value }{v}, &v, []secrets.Value{v}),
		fmt.Errorf("wrapped: %v", v).Error(),
		fmt.Sprintf(verbs, hidden, hidden, hidden, hidden, hidden, hidden, hidden),
		fmt.Sprintf("%v %+v %#v", &hidden, []any{hidden}, map[string]any{"h": hidden}),
	} {
		if strings.Contains(shown, token) || strings.Contains(shown, fmt.Sprintf("%x", token)) {
			t.Errorf("the secret is shown: %s", shown)
		}
	}
}

func TestEqual_OfValues_ComparesSecrets(t *testing.T) {
	a, b, none := secrets.New("a"), secrets.New("b"), secrets.New("")
	if !a.Equal(secrets.New("a")) || a.Equal(b) || a.Equal(none) || !none.Equal(secrets.Value{}) || !none.IsZero() || none.Reveal() != "" {
		t.Error("values are compared otherwise")
	}
	if !a.In([]secrets.Value{b, secrets.New("a")}) || a.In([]secrets.Value{b}) || a.In(nil) {
		t.Error("In finds another value, or not the same")
	}
}

func TestResolve_EachReference_IsResolvedOrExplained(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	env := map[string]string{"SET": token, "EMPTY": "", "TORN": token + "\n"}
	r := secrets.Default{LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	for _, c := range []struct {
		name, ref string
		problem   string // part of the error; empty is none
	}{
		{"an environment variable", "env:SET", ""},
		{"a file whose last line break does not count", "file:" + write("good", token+"\n"), ""},
		{"a file written on Windows", "file:" + write("crlf", token+"\r\n"), ""},
		{"a variable that is not set", "env:UNSET", "UNSET is not set"},
		{"a variable that is empty", "env:EMPTY", "EMPTY is empty"},
		{"a variable with a line break", "env:TORN", "a character that a secret may not have"},
		{"a file that is not there", "file:" + filepath.Join(dir, "none"), "no such file"},
		{"an empty file", "file:" + write("empty", "\n"), "is empty"},
		{"a folder", "file:" + dir, "not a regular file"},
		{"a file of the wrong kind", "file:" + write("large", strings.Repeat("x", 1<<20)), "not a regular file of at most"},
		{"two lines", "file:" + write("two", token+"\n"+token), "a character that a secret may not have"},
		{"a token in the place of a reference", token, "not a reference"},
		{"a scheme that is not there", "vault:okta", "not known"},
		{"nothing", "", "not a reference"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, err := r.Resolve(context.Background(), c.ref)
			if c.problem == "" {
				if err != nil || v.Reveal() != token || v.IsZero() {
					t.Errorf("%v, zero %v", err, v.IsZero())
				}
				return
			}
			if !errors.Is(err, secrets.ErrUnavailable) || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("error %v, want one that says %q", err, c.problem)
			}
			if !v.IsZero() {
				t.Error("an error came with a value")
			}
			if strings.Contains(fmt.Sprint(err), token) {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestStamp_FileChanges_IsAnother(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	d := secrets.Default{}
	seen := map[string]string{}
	for _, content := range []string{"", "00a", "00aTokenOfATest"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		stamp := d.Stamp("file:" + path)
		if other, again := seen[stamp]; again || stamp == "" || stamp != d.Stamp("file:"+path) {
			t.Errorf("%q has the stamp %q, as %q has", content, stamp, other)
		}
		seen[stamp] = content
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, again := seen[d.Stamp("file:"+path)]; again {
		t.Error("a file that is gone has the stamp of one that was there")
	}
	if s := d.Stamp("env:X"); s != "" {
		t.Errorf("an environment variable has the stamp %q", s)
	}
}
