package pushdown

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

var (
	now  = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	base = wire.Call{Connection: "c", Operation: "list", Input: `{"since":"2026-05-01T00:00:00.000Z","until":"2026-06-01T12:00:00.000Z"}`, View: "things"}
)

func manifest() *abi.Manifest {
	columns := []abi.Column{{Name: "id", Type: abi.Varchar}, {Name: "name", Type: abi.Varchar}, {Name: "at", Type: abi.TimestampTZ}, {Name: "made", Type: abi.TimestampTZ}, {Name: "on", Type: abi.Boolean}, {Name: "n", Type: abi.BigInt}}
	var operations []abi.Operation
	for _, name := range []string{"list", "search", "get"} {
		operations = append(operations, abi.Operation{Name: name, Key: "id", Columns: columns})
	}
	eq := []string{abi.OperatorEqual}
	return &abi.Manifest{Operations: operations, Views: []abi.View{{Name: "things", Operation: "list", Times: map[string]int64{"since": -31 * 86_400, "until": 0}, Answers: []abi.Answer{
		{Operation: "get", Each: 2, Conditions: []abi.Condition{{Column: "id", Value: "thing"}}},
		{Operation: "list", Filter: "filter", Conditions: []abi.Condition{{Column: "at", From: "since", To: "until", Oldest: -100 * 86_400}, {Column: "id", Name: "id", Operators: eq}, {Column: "on", Name: "on", Operators: eq}},
			Orders: []abi.Order{{Column: "at", Input: "sort", Descending: "desc"}}},
		{Operation: "search", Filter: "q", Lags: true, Conditions: []abi.Condition{{Column: "name", Name: "full.name", Operators: []string{"eq", "sw", "pr"}, Fold: true},
			{Column: "made", Name: "made", Operators: []string{"ge", "le"}, Precision: abi.PrecisionSecond}}},
	}}}}
}

func TestOf_ViewThatAddsInput_AddsItToEachCallOfItsOperation(t *testing.T) {
	more := base
	more.Given = `{"all":true}`
	m := manifest()
	for _, c := range []struct {
		condition *wire.Condition
		want      string
	}{
		{nil, `list {"all":true,"since":"2026-05-01T00:00:00.000Z","until":"2026-06-01T12:00:00.000Z"}`},
		{&wire.Condition{Op: wire.OpIn, Column: "id", Values: []string{"a"}}, `list {"all":true,"filter":"id eq \"a\"","since":"2026-05-01T00:00:00.000Z","until":"2026-06-01T12:00:00.000Z"}`},
		{&wire.Condition{Op: wire.OpStarts, Column: "name", Values: []string{"a"}}, `list {"all":true,"since":"2026-05-01T00:00:00.000Z","until":"2026-06-01T12:00:00.000Z"}`},
	} {
		if got := Of(&m.Views[0], m, more, wire.Pushed{Condition: c.condition}, now).Text(); got != c.want {
			t.Errorf("%v: %s, want %s", c.condition, got, c.want)
		}
	}
}

func TestOf_Condition_BecomesCalls(t *testing.T) {
	in := func(column string, values ...string) wire.Condition {
		return wire.Condition{Op: wire.OpIn, Column: column, Values: values}
	}
	one := func(op wire.ConditionOp, column, value string) wire.Condition {
		return wire.Condition{Op: op, Column: column, Values: []string{value}}
	}
	and := func(parts ...wire.Condition) wire.Condition { return wire.Condition{Op: wire.OpAnd, Parts: parts} }
	or := func(parts ...wire.Condition) wire.Condition { return wire.Condition{Op: wire.OpOr, Parts: parts} }
	whole := `list ` + base.Input
	for _, c := range []struct {
		name      string
		condition wire.Condition
		want      string
	}{
		{"one value", in("id", "a"), `get {"thing":"a"}`},
		{"two values", or(in("id", "b"), in("id", "a")), `get {"thing":"a"};get {"thing":"b"}`},
		{"more values than calls", in("id", "a", "b", "c"), `list {"filter":"(id eq \"a\" or id eq \"b\" or id eq \"c\")","since":"2026-05-01T00:00:00.000Z","until":"2026-06-01T12:00:00.000Z"}`},
		{"a value or something else", or(in("id", "a"), in("n", "5")), whole},
		{"what cannot be said is left out", and(in("n", "5"), in("on", "true")), `list {"filter":"on eq true","since":"2026-05-01T00:00:00.000Z","until":"2026-06-01T12:00:00.000Z"}`},
		{"bounds are rounded outwards", and(one(wire.OpAtLeast, "at", "2026-05-02T00:00:00.0009Z"), one(wire.OpAtMost, "at", "2026-05-03T00:00:00.0009Z")), `list {"since":"2026-05-02T00:00:00.000Z","until":"2026-05-03T00:00:00.001Z"}`},
		{"a bound of one branch is none", or(one(wire.OpAtLeast, "at", "2026-05-02T00:00:00Z"), in("on", "true")), whole},
		{"the oldest", one(wire.OpAtLeast, "at", "2020-01-01T00:00:00Z"), `list {"since":"2026-02-21T12:00:00.000Z","until":"2026-06-01T12:00:00.000Z"}`},
		{"a time that cannot be", one(wire.OpAtMost, "at", "2020-01-01T00:00:00Z"), ``},
		{"later than the view", one(wire.OpAtMost, "at", "2030-01-01T00:00:00Z"), `list {"since":"2026-05-01T00:00:00.000Z","until":"2026-06-01T12:00:00.000Z"}`},
		{"a prefix", one(wire.OpStarts, "name", "Ada L"), `search {"q":"full.name sw \"Ada L\""}`},
		{"a value in lower case", one(wire.OpFold, "name", "ada"), `search {"q":"full.name eq \"ada\""}`},
		{"a prefix in lower case", one(wire.OpFoldStarts, "name", "ada"), `search {"q":"full.name sw \"ada\""}`},
		{"a value that the Kelvin sign has in lower case", one(wire.OpFold, "name", "katze"), whole},
		{"a value that İ has in lower case", one(wire.OpFold, "name", "ida"), whole},
		{"a prefix that the Kelvin sign has in lower case", one(wire.OpFoldStarts, "name", "adak"), whole},
		{"a value in lower case that is not ASCII", one(wire.OpFold, "name", "ädä"), whole},
		{"not NULL", wire.Condition{Op: wire.OpPresent, Column: "name"}, `search {"q":"full.name pr"}`},
		{"seconds", one(wire.OpAtMost, "made", "2026-05-03T00:00:00.5Z"), `search {"q":"made le \"2026-05-03T00:00:01Z\""}`},
		{"a time", in("made", "2026-05-03T00:00:00Z"), `search {"q":"(made ge \"2026-05-03T00:00:00Z\" and made le \"2026-05-03T00:00:01Z\")"}`},
		{"a quote", in("name", `a"b`), whole},
		{"a backslash", in("name", `a\b`), whole},
		{"an empty text", in("name", ""), whole},
		{"space", in("name", " a"), whole},
		{"a text of another plane", in("name", "😀"), whole},
		{"an unknown column", in("gone", "a"), whole},
		{"an unknown operator", one("ne", "name", "a"), whole},
		{"a long value", in("name", strings.Repeat("a", 300)), whole},
	} {
		m := manifest()
		if got := text(Of(&m.Views[0], m, base, wire.Pushed{Condition: &c.condition}, now)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func text(p Plan) string {
	var all []string
	for _, call := range p.Calls {
		all = append(all, call.Operation+" "+string(call.Input))
	}
	return strings.Join(all, ";")
}

func TestOf_LongList_IsDivided(t *testing.T) {
	m, c := manifest(), wire.Condition{Op: wire.OpIn, Column: "id"}
	for i := range 500 {
		c.Values = append(c.Values, strings.Repeat("x", 20)+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	p := Of(&m.Views[0], m, base, wire.Pushed{Condition: &c}, now)
	found := 0
	for _, call := range p.Calls {
		found += strings.Count(string(call.Input), "id eq")
		if len(call.Input) > maxFilter+200 {
			t.Errorf("a call has %d bytes", len(call.Input))
		}
	}
	if len(p.Calls) < 5 || len(p.Calls) > maxCalls || found != 500 {
		t.Errorf("%d calls for %d values", len(p.Calls), found)
	}
}

func TestOf_Order_IsOfTheAnswerThatHasIt(t *testing.T) {
	m := manifest()
	if p := Of(&m.Views[0], m, base, wire.Pushed{Order: "at", Descending: true}, now); !p.Ordered || !strings.Contains(text(p), `"sort":"desc"`) {
		t.Errorf("%+v %s", p, text(p))
	}
	for _, pushed := range []wire.Pushed{{Order: "at"}, {Order: "made", Descending: true}} {
		if p := Of(&m.Views[0], m, base, pushed, now); p.Ordered {
			t.Errorf("%+v is said to be ordered: %s", pushed, text(p))
		}
	}
}

// FuzzOf: whatever a process asks for, the calls are of the view's answers, and inputs are JSON.
func FuzzOf(f *testing.F) {
	f.Add(`{"Condition":{"Op":"and","Parts":[{"Op":"in","Column":"id","Values":["a"]},{"Op":"ge","Column":"at","Values":["2026-05-02T00:00:00Z"]}]},"Order":"at","Descending":true}`)
	f.Add(`{"Condition":{"Op":"or","Parts":[]}}`)
	f.Add(`{"Condition":{"Op":"in","Column":"id"}}`)
	f.Fuzz(func(t *testing.T, raw string) {
		var pushed wire.Pushed
		if json.Unmarshal([]byte(raw), &pushed) != nil {
			return
		}
		m := manifest()
		for _, call := range Of(&m.Views[0], m, base, pushed, now).Calls {
			if !json.Valid(call.Input) || call.Operation != "list" && call.Operation != "search" && call.Operation != "get" {
				t.Errorf("%s %s", call.Operation, call.Input)
			}
		}
		Values(pushed.Condition, "id")
		Unbounded(pushed.Condition, "at")
	})
}

func TestOf_AnotherInputThanTheViews_IsTheCallItself(t *testing.T) {
	m := manifest()
	m.Views[0].Input = json.RawMessage(`{"all":true,"n":9007199254740993}`)
	own := `"all":true,"n":9007199254740993,"since":"2026-05-01T00:00:00Z","until":"2026-06-01T12:00:00Z"`
	for _, input := range []string{"{}", base.Input, `{` + own + `,"status":"ACTIVE"}`, strings.Replace(`{`+own+`}`, "993", "992", 1), strings.Replace(`{`+own+`}`, "true", "false", 1),
		`{"all":true,"n":9007199254740993}`, strings.Replace(`{`+own+`}`, `"2026-05-01T00:00:00Z"`, "1", 1), "null", "[]", ""} {
		other := base
		other.Input = input
		condition := wire.Condition{Op: wire.OpIn, Column: "id", Values: []string{"a"}}
		if got := Of(&m.Views[0], m, other, wire.Pushed{Condition: &condition}, now); got.Used || len(got.Calls) != 1 || string(got.Calls[0].Input) != input {
			t.Errorf("%s: %s", input, text(got))
		}
	}
	own = `{ "until":"2026-06-01T12:00:00Z", ` + strings.TrimSuffix(own, `,"until":"2026-06-01T12:00:00Z"`) + `}`
	if !Owns(&m.Views[0], own) {
		t.Errorf("%s is the view's", own)
	}
}
