package sqltext_test

import (
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host/sql/internal/sqltext"
)

func TestGroupArrows_OfMembers_PutsThemIntoParentheses(t *testing.T) {
	for query, want := range map[string]string{
		`k AND j ->> 'a' = 'b'`:                            `k AND (j ->> 'a') = 'b'`,
		`NOT t.j->'a'->>'b' IN ('c')`:                      `NOT (t.j->'a'->>'b') IN ('c')`,
		`x OR f(y, ')') -> 0 ->> "z" = 1`:                  `x OR (f(y, ')') -> 0) ->> "z" = 1`,
		`WHERE (a -> 'b')::int = 1 AND '{}'::jsonb -> 'c'`: `WHERE ((a -> 'b'))::int = 1 AND ('{}'::jsonb -> 'c')`,
		`AND (SELECT j) ->> 'a'`:                           `AND ((SELECT j) ->> 'a')`,
		`list_transform(l, x -> x + 1)`:                    `list_transform(l, x -> x + 1)`,
		`'a -> ''b' -- j -> 'c'`:                           `'a -> ''b' -- j -> 'c'`,
		`-> 'a'`:                                           `-> 'a'`,
		`"J" ->> 'a'::text = 'b'`:                          `("J" ->> 'a'::text) = 'b'`,
	} {
		if got := sqltext.GroupArrows(query); got != want {
			t.Errorf("%s became %s, want %s", query, got, want)
		}
	}
}

func FuzzGroupArrows(f *testing.F) {
	f.Add(`k AND j ->> 'a' = 'b'`)
	f.Add(`)->'a'::`)
	f.Fuzz(func(t *testing.T, query string) {
		got := sqltext.GroupArrows(query)
		without := strings.NewReplacer("(", "", ")", "").Replace
		if without(got) != without(query) {
			t.Errorf("%q became %q", query, got)
		}
	})
}
