package walk

import (
	"errors"
	"testing"
)

func TestAhead_OfPages_TakesOneAndDropsAnother(t *testing.T) {
	var a Ahead[int]
	dropped := 0
	drop := func(page int) { dropped += page }
	a.Drop(drop) // nothing is coming
	a.Fetch(func() (int, error) { return 1, nil })
	if page, err := a.Take(); page != 1 || err != nil {
		t.Errorf("%d, %v", page, err)
	}
	a.Drop(drop)
	a.Fetch(func() (int, error) { return 0, errors.New("failed") })
	a.Drop(drop)
	if dropped != 0 {
		t.Errorf("page %d was dropped", dropped)
	}
	a.Fetch(func() (int, error) { return 2, nil })
	a.Drop(drop)
	if a.Drop(drop); dropped != 2 {
		t.Errorf("%d was dropped, want 2", dropped)
	}
}
