package attack

import "testing"

// TestEdits_EveryMutation_FindsItsText is quick, unlike TestMutations: code that moved shows at once.
func TestEdits_EveryMutation_FindsItsText(t *testing.T) {
	if _, err := edited("../.."); err != nil {
		t.Error(err)
	}
}
