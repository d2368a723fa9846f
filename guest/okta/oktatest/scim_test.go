package oktatest

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

func TestExpression_EachOperator_Matches(t *testing.T) {
	const object = `{"name":"Ada","age":36,"born":"1815-12-10T00:00:00.000Z","admin":true,"none":null,"empty":"",
		"list":[{"kind":"a","n":1},{"kind":"B","n":20}],"tags":["x","y"],"a.b":"dotted","deep":{"er":"Ω"}}`
	for text, want := range map[string]bool{
		`name eq "ADA"`:                               true,
		`name EQ "ada"`:                               true,
		`name ne "Bob"`:                               true,
		`name co "d" and name sw "a"`:                 true,
		`name ew "DA"`:                                true,
		`name eq "x" or name eq "ada"`:                true,
		`name eq "ada" or name eq "x" and age eq 1`:   true, // and has precedence
		`(name eq "ada" or name eq "x") and age eq 1`: false,
		`age gt 35 and age le 36`:                     true,
		`age eq 36.0`:                                 true,
		`age lt "40"`:                                 true,
		`born lt "1816-01-01T00:00:00Z"`:              true,
		`born eq "1815-12-10T01:00:00+01:00"`:         true,
		`born gt "1815-12-10"`:                        false,
		`admin eq true`:                               true,
		`admin eq "true"`:                             true,
		`admin eq false`:                              false,
		`none pr`:                                     false,
		`empty pr`:                                    false,
		`name pr`:                                     true,
		`missing pr`:                                  false,
		`missing ne "x"`:                              true,
		`missing eq null`:                             false,
		`none eq null`:                                true,
		`list.kind eq "b"`:                            true,
		`list.n ge 20`:                                true,
		`list.kind eq "c"`:                            false,
		`tags eq "y"`:                                 true,
		`deep.er eq "ω"`:                              true,
		`name eq "\u0041da"`:                          true,
		`name eq "A\"da"`:                             false,
	} {
		e, err := parseExpression(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := e.matches(gjson.Parse(object)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	for _, text := range []string{"", "name", "name eq", `name is "x"`, `name eq x`, `name eq "x" and`, `(name pr`, `name pr)`, `"name" pr`,
		`name eq "x" "y"`, `name eq {}`, `name eq "x`, `9a pr`, `and pr pr`, strings.Repeat("(", 100) + "a pr" + strings.Repeat(")", 100), strings.Repeat("a", 5000) + " pr"} {
		if e, err := parseExpression(text); err == nil {
			t.Errorf("%.40s: parsed as %+v", text, e)
		}
	}
}

func FuzzExpression(f *testing.F) {
	f.Add(`eventType eq "user.session.start" and (outcome.result eq "FAILURE" or actor.id pr)`)
	f.Add(`a co "\u00e9" or not.there ge 1e3`)
	object := gjson.Parse(`{"a":"é","not":{"there":[1,2,{"x":null}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		e, err := parseExpression(text)
		if err != nil {
			return
		}
		e.matches(object)
		if err := e.comparisons(func(c *expression) error {
			if !isAttribute(c.attribute) {
				t.Errorf("attribute %q", c.attribute)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
}

func FuzzLogCursor(f *testing.F) {
	f.Add("1795384872081_2")
	f.Add("1_2_3")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseLogCursor(text)
		if err != nil {
			return
		}
		if again, err := parseLogCursor(c.String()); err != nil || *again != *c {
			t.Errorf("%q is formatted as %q, which is parsed as %v, %v", text, c, again, err)
		}
	})
}
