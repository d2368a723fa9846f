package cli

import (
	"fmt"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sink"
)

func TestExits_EveryOutcome_HasOneCode(t *testing.T) {
	rows := map[abi.Outcome]int{}
	codes := map[int]bool{}
	for _, e := range exits() {
		if codes[e.code] {
			t.Errorf("code %d is listed twice", e.code)
		}
		codes[e.code] = true
		for _, o := range e.outcomes {
			rows[o]++
		}
	}
	for _, o := range abi.Outcomes() {
		if rows[o] != 1 {
			t.Errorf("%s is listed in %d rows", o, rows[o])
		}
		code, silent := exitCode(t.Context(), host.OutcomeError{Operation: "x", Outcome: o, Detail: &abi.Error{}})
		if code != OutcomeCode(o) || silent || (code == 0) != (o.OK() || o == abi.Planned) {
			t.Errorf("%s: exit code %d, silent %v", o, code, silent)
		}
	}
	dead := fmt.Errorf("%w: no answer", sink.ErrUnavailable)
	if code, silent := exitCode(t.Context(), dead); code != OutcomeCode(abi.Unavailable) || silent {
		t.Errorf("a receiver without an answer: exit code %d, silent %v", code, silent)
	}
	if len(rows) != len(abi.Outcomes()) {
		t.Errorf("the table has %d outcomes, there are %d", len(rows), len(abi.Outcomes()))
	}
}
