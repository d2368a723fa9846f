package oktatest

import (
	"testing"

	"github.com/tidwall/gjson"
)

func TestRuleExpression_EachForm_IsEvaluated(t *testing.T) {
	facts := &ruleFacts{
		gjson.Parse(`{"department":"R&D","title":"Team \"Lead\"","tags":["a","b"],"city":null,"remote":true}`),
		[]*group{{id: "00g1", groupState: groupState{profile: []byte(`{"name":"Engineering"}`)}}},
	}
	known := profileAttributes([]string{"tags:array", "remote:boolean"})
	for text, want := range map[string]bool{
		`user.department=="R&D"`:                                                   true,
		`user.department != "R&D"`:                                                 false,
		`user.department=='R&D' AND user.city==null`:                               true,
		`user.city != null || String.startsWith(user.department, "R")`:             true,
		`!(user.department=="R&D") or NOT isMemberOfGroup("00g1")`:                 false,
		`String.stringContains(String.toLowerCase(user.title), "lead")`:            true,
		`isMemberOfAnyGroup("00g0","00g1") and isMemberOfGroupName("Engineering")`: true,
		`isMemberOfGroupNameStartsWith("Eng") && isMemberOfGroupNameContains("x")`: false,
		`Arrays.contains(user.tags, "b")`:                                          true,
		`user.remote==true`:                                                        true,
		`true`:                                                                     true,
	} {
		e, err := parseRule(text, known)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if e.holds(facts) != want {
			t.Errorf("%s is %v", text, !want)
		}
	}
	for _, text := range []string{``, ` `, `user.department`, `user.x=="y"`, `user.department=="`, `(true`, `true)`, `true and`, `and`, `f(1)`,
		`String.startsWith(user.department)`, `!user.department`, `"a" and true`, `user.department="x"`} {
		if _, err := parseRule(text, known); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}

func FuzzRuleExpression(f *testing.F) {
	for _, text := range []string{`user.department=="R&D" AND !(true or isMemberOfAnyGroup("a",'b'))`, `((((((`, `!!!!true`, `String.toLowerCase(user.city)==null`} {
		f.Add(text)
	}
	known := profileAttributes(nil)
	f.Fuzz(func(t *testing.T, text string) {
		if e, err := parseRule(text, known); err == nil {
			e.holds(&ruleFacts{gjson.Parse(`{"department":"x"}`), nil})
		}
	})
}
