package main

import (
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
)

func TestEveryOutcomeHasOneExitCode(t *testing.T) {
	rows := map[abi.Outcome]int{}
	codes := map[int]bool{}
	for _, e := range exits() {
		if codes[e.code] {
			t.Errorf("code %d stands twice", e.code)
		}
		codes[e.code] = true
		for _, o := range e.outcomes {
			rows[o]++
		}
	}
	for _, o := range abi.Outcomes() {
		if rows[o] != 1 {
			t.Errorf("%s stands in %d rows", o, rows[o])
		}
		code, silent := exitCode(t.Context(), host.OutcomeError{Operation: "x", Outcome: o, Detail: &abi.Error{}})
		if code != outcomeCode(o) || silent || (code == 0) != (o.OK() || o == abi.Planned) {
			t.Errorf("%s: exit code %d, silent %v", o, code, silent)
		}
	}
	if len(rows) != len(abi.Outcomes()) {
		t.Errorf("the table has %d outcomes, there are %d", len(rows), len(abi.Outcomes()))
	}
}

func TestMessagesStayOnTheirLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                "plain",
		"two\nlines\r\n":       "two; lines",
		"\x1b[31mred\x1b[0m\t": " [31mred [0m ",
		"Zoë 日本":               "Zoë 日本",
		"a\u009b31m\u202eb":    "a 31m b",
	} {
		if got := term.OneLine(in); got != want {
			t.Errorf("oneLine(%q) = %q, want %q", in, got, want)
		}
	}
	var b strings.Builder
	a := &app{status: term.NewConsole(&b)}
	a.say("%s", strings.Repeat("é", 1000))
	if n := len(b.String()); n > longestLine+20 || !strings.HasSuffix(b.String(), "…\n") {
		t.Errorf("a line of %d bytes", n)
	}
}
