package attack

import "testing"

// TestEdits_EveryMutation_FindsItsText quickly finds code that was changed without its mutation.
func TestEdits_EveryMutation_FindsItsText(t *testing.T) {
	if _, err := edited("../.."); err != nil {
		t.Error(err)
	}
}
