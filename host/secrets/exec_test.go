package secrets_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host/secrets"
)

func TestCommand_EachReference_IsReadOrExplained(t *testing.T) {
	for _, c := range []struct {
		ref     string
		words   []string
		problem string
	}{
		{"exec:[vault, kv, get, -field=token, secret/okta]", []string{"vault", "kv", "get", "-field=token", "secret/okta"}, ""},
		{`exec:["a b", "c,d", "$HOME", ""]`, []string{"a b", "c,d", "$HOME", ""}, ""},
		{"exec: [ true ]", []string{"true"}, ""},
		{"exec:[a b, ;, |]", []string{"a b", ";", "|"}, ""},
		{"exec:vault kv get", nil, "is not a list of words"},
		{"exec:[]", nil, "names no program"},
		{"exec:[,a]", nil, "names no program"},
		{"exec:['a', b]", nil, "write a list in JSON"},
		{"exec:[a, [b]]", nil, "write a list in JSON"},
		{"exec:", nil, "is not a list"},
	} {
		words, ok, err := secrets.Command(c.ref)
		switch {
		case !ok:
			t.Errorf("%s: it is no command", c.ref)
		case c.problem == "" && (err != nil || !slices.Equal(words, c.words)):
			t.Errorf("%s: %q, %v", c.ref, words, err)
		case c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem) || !errors.Is(err, secrets.ErrUnavailable)):
			t.Errorf("%s: %v, want one that says %q", c.ref, err, c.problem)
		}
	}
	if _, ok, err := secrets.Command("env:exec"); ok || err != nil {
		t.Errorf("a variable is a command: %v", err)
	}
}

func TestName_EachReference_HidesArgumentsAlone(t *testing.T) {
	for ref, want := range map[string]string{
		"env:A":                    "env:A",
		"file:/a/b":                "file:/a/b",
		"keyring:a":                "keyring:a",
		"":                         "",
		"exec:[vault]":             "exec:[vault]",
		"exec:[vault, ARGUMENT]":   "exec:[vault, …]",
		`exec:["a b", "ARGUMENT"]`: "exec:[a b, …]",
		"exec:vault ARGUMENT":      "exec:[…]", // it cannot be read
		"exec:[sh, 'ARGUMENT']":    "exec:[…]",
		"exec:":                    "exec:[…]",
	} {
		if got := secrets.Name(ref); got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
}

// commands answers instead of processes.
type commands func(words []string) ([]byte, error)

// Output implements secrets.Commands.
func (c commands) Output(_ context.Context, words []string, _ int) ([]byte, error) { return c(words) }

func TestResolve_Command_GivesItsOutputOrExplains(t *testing.T) {
	said, failed := "", error(nil)
	var output []byte
	r := secrets.Default{Commands: commands(func(words []string) ([]byte, error) {
		if !slices.Equal(words, []string{"vault", "ARGUMENT"}) {
			t.Errorf("it starts %q", words)
		}
		output = []byte(said)
		if failed != nil {
			return nil, failed
		}
		return output, nil
	})}
	for _, c := range []struct {
		said    string
		failed  error
		problem string
	}{
		{token + "\n", nil, ""},
		{token + "\r\n", nil, ""},
		{"", nil, "it wrote nothing"},
		{token + "\n" + token, nil, "more than a secret"},
		{"", errors.New("exit status 2"), "exit status 2. Run the command by hand"},
		{"", errors.New("exec: \"vault\": executable file not found in $PATH"), "the program is not in PATH"},
	} {
		said, failed, output = c.said, c.failed, nil
		v, err := r.Resolve(t.Context(), "exec:[vault, ARGUMENT]")
		if bytes.ContainsFunc(output, func(r rune) bool { return r != 0 }) {
			t.Errorf("%q: the bytes that were read are not cleared: %q", c.said, output)
		}
		switch {
		case c.problem == "" && (err != nil || v.Reveal() != token):
			t.Errorf("%q: %v", c.said, err)
		case c.problem != "" && (!errors.Is(err, secrets.ErrUnavailable) || !strings.Contains(err.Error(), c.problem) || !strings.Contains(err.Error(), "exec:[vault, …]")):
			t.Errorf("%q: %v, want one that says %q", c.said, err, c.problem)
		case c.problem != "" && (strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "ARGUMENT") || !v.IsZero()):
			t.Errorf("the error has the secret: %v", err)
		}
	}
	if _, err := (secrets.Default{}).Resolve(t.Context(), "exec:[vault]"); !errors.Is(err, secrets.ErrUnavailable) || !strings.Contains(err.Error(), "starts no commands") {
		t.Errorf("without commands: %v", err)
	}
}
