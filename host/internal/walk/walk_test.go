package walk

import (
	"strings"
	"testing"
)

func TestWalk_PastALimit_Ends(t *testing.T) {
	for name, c := range map[string]struct {
		records, requests func(page int) int
		pages             int
		want              string
	}{
		"no requests":              {func(int) int { return 0 }, func(int) int { return 0 }, MaxIdle, "walk.MaxIdle"},
		"no records":               {func(int) int { return 0 }, func(int) int { return 1 }, MaxEmpty, "walk.MaxEmpty"},
		"few requests, no records": {func(int) int { return 0 }, func(page int) int { return page % 3 / 2 }, MaxEmpty, "walk.MaxEmpty"},
		"records for ever":         {func(int) int { return 1 }, func(int) int { return 0 }, Max, "walk.Max)"},
		"a few records for ever":   {func(page int) int { return page % 7 / 6 }, func(int) int { return 0 }, Max, "walk.Max)"},
	} {
		t.Run(name, func(t *testing.T) {
			var w Walk
			for page := 1; ; page++ {
				err := w.To("next", c.records(page), c.requests(page))
				if (err != nil) != (page == c.pages) {
					t.Fatalf("page %d: %v, want an error at page %d", page, err, c.pages)
				}
				if err != nil {
					if !w.Ended || !strings.Contains(err.Message, c.want) {
						t.Errorf("ended %v, %s", w.Ended, err.Message)
					}
					return
				}
			}
		})
	}
	var w Walk
	if err := w.To("", 0, 0); err != nil || !w.Ended {
		t.Errorf("an empty cursor: %v, ended %v", err, w.Ended)
	}
}
