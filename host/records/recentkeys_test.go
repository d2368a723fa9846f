package records

import (
	"fmt"
	"testing"
)

// TestRecentKeys_BeyondTheBound_OldestAreForgotten: the number of remembered keys is between the bound and its double.
func TestRecentKeys_BeyondTheBound_OldestAreForgotten(t *testing.T) {
	k := RecentKeys{most: 10}
	key := func(i int) []byte { return fmt.Append(nil, "k", i) }
	for i := range 100 {
		if k.Before(key(i)) {
			t.Fatalf("key %d is new", i)
		}
		if !k.Before(key(i)) {
			t.Fatalf("key %d came before, on the same page", i)
		}
		if i >= 9 && !k.Before(key(i-9)) {
			t.Errorf("key %d is forgotten, nine behind the last", i-9)
		}
		if n := len(k.keys) + len(k.older); n > 20 {
			t.Fatalf("%d keys", n)
		}
	}
	if k.Before(key(0)) {
		t.Error("the first of a hundred is not forgotten")
	}
}
