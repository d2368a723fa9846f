package answers

import (
	"encoding/json"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

func TestOutput_OfListWithMembers_MergesThem(t *testing.T) {
	for more, want := range map[string]string{
		``:                        `{"records":[],"next_cursor":"c"}`,
		`{ }`:                     `{"records":[],"next_cursor":"c"}`,
		`{"skipped":["x"],"n":1}`: `{"records":[],"next_cursor":"c","skipped":["x"],"n":1}`,
	} {
		out := &abi.InvokeOutput{List: true, NextCursor: "c", Output: json.RawMessage(more)}
		if text, _, err := (&Set{}).Output(t.Context(), out); err != nil || string(text) != want {
			got := string(text)
			t.Errorf("%s: %s, want %s", more, got, want)
		}
	}
}
