package records

import (
	"errors"
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

// ledger is a Memory that counts, up to a limit.
type ledger struct{ held, most int64 }

func (c *ledger) Take(n int64) error {
	if c.held+n > c.most {
		return errors.New("no memory")
	}
	c.held += n
	return nil
}

func (c *ledger) Give(n int64) { c.held -= n }

func TestRecentKeys_WithMemory_CountThemBeforeAndGiveThemBack(t *testing.T) {
	m := &ledger{most: 1000}
	k := RecentKeys{Memory: m, most: 10}
	for i := range 100 {
		if err := k.Reserve(1); err != nil {
			t.Fatal(err)
		}
		k.Before(fmt.Append(nil, i))
		if want := int64(len(k.keys)+len(k.older)) * keySize; m.held < want {
			t.Fatalf("key %d: %d bytes are counted, want %d", i, m.held, want)
		}
	}
	if m.held != 20*keySize {
		t.Errorf("%d bytes are counted, want %d", m.held, 20*keySize)
	}
	k.Forget()
	if m.held != 0 || k.Before([]byte("99")) {
		t.Errorf("%d bytes are counted, and keys are remembered", m.held)
	}
	m.most = 100
	if k.Forget(); k.Reserve(3) != nil || k.Reserve(4) == nil || m.held != 3*keySize {
		t.Errorf("over the limit, %d bytes are counted", m.held)
	}
}
