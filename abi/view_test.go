package abi_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

// answering returns a valid manifest whose view has an answer.
func answering() abi.Manifest {
	m := sound()
	m.Minor = 2
	m.Operations[1].InputSchema = json.RawMessage(`{"type":"object","properties":{"since":{},"until":{},"id":{},"all":{},"filter":{},"sort":{}}}`)
	m.Operations[1].Columns = append(m.Operations[1].Columns, abi.Column{Name: "id", Type: abi.Varchar, Path: "id"})
	m.Views[0].Answers = []abi.Answer{{Operation: "range", Input: json.RawMessage(`{"all":true}`), Filter: "filter", Lags: true, Each: 10,
		Conditions: []abi.Condition{
			{Column: "at", From: "since", To: "until", Oldest: -86_400, Precision: abi.PrecisionSecond},
			{Column: "id", Name: "event.id", Operators: []string{abi.OperatorEqual, abi.OperatorStarts, abi.OperatorPresent}, Fold: true},
		},
		Orders: []abi.Order{{Column: "at", Input: "sort", Descending: "DESC"}}}}
	return m
}

func TestManifest_Check_OfAnswers(t *testing.T) {
	if m := answering(); m.Check() != nil {
		t.Fatal(m.Check())
	}
	for name, c := range map[string]struct {
		change func(*abi.Manifest, *abi.Answer)
		want   string
	}{
		"minor version 1":          {func(m *abi.Manifest, _ *abi.Answer) { m.Minor = 1 }, "answers and of need minor version 2, but the manifest is of 1"},
		"an operation that writes": {func(_ *abi.Manifest, a *abi.Answer) { a.Operation = "join" }, "not one of class read on surface sql"},
		"no operation":             {func(_ *abi.Manifest, a *abi.Answer) { a.Operation = "gone" }, "not one of class read on surface sql"},
		"another key":              {func(m *abi.Manifest, a *abi.Answer) { other(m); m.Operations[3].Key = "id"; a.Operation = "other" }, `its key "id" must be the view's, ""`},
		"a column that is missing": {func(m *abi.Manifest, a *abi.Answer) {
			other(m).Columns = m.Operations[1].Columns[:2]
			a.Operation = "other"
		}, `it lacks the column "id"`},
		"a column of another path": {func(m *abi.Manifest, a *abi.Answer) {
			o := other(m)
			o.Columns = append([]abi.Column{{Name: "at", Type: abi.TimestampTZ, Path: "then"}}, o.Columns[1:]...)
			a.Operation = "other"
		}, `it lacks the column "at"`},
		"an input that is no object":    {func(_ *abi.Manifest, a *abi.Answer) { a.Input = json.RawMessage(`[]`) }, "the input must be a JSON object"},
		"an unknown input":              {func(_ *abi.Manifest, a *abi.Answer) { a.Filter = "q" }, `range has no input field "q"`},
		"an input with two values":      {func(_ *abi.Manifest, a *abi.Answer) { a.Filter = "all" }, `field "all" has two values`},
		"a bound that is the filter":    {func(_ *abi.Manifest, a *abi.Answer) { a.Conditions[0].To = "filter" }, `field "filter" has two values`},
		"too many calls":                {func(_ *abi.Manifest, a *abi.Answer) { a.Each = 1001 }, "each must be 0 to 1000"},
		"an unknown column":             {func(_ *abi.Manifest, a *abi.Answer) { a.Conditions[0].Column = "when" }, `column "when": the view lacks it`},
		"two ways":                      {func(_ *abi.Manifest, a *abi.Answer) { a.Conditions[1].Value = "id" }, "give one of name, value, and from or to"},
		"no way":                        {func(_ *abi.Manifest, a *abi.Answer) { a.Conditions[1].Name = "" }, "give one of name, value, and from or to"},
		"a name without a filter":       {func(_ *abi.Manifest, a *abi.Answer) { a.Filter = "" }, "name needs filter and operators"},
		"a name that is an expression":  {func(_ *abi.Manifest, a *abi.Answer) { a.Conditions[1].Name = `id pr or id` }, "characters other than letters"},
		"a bound of a text":             {func(_ *abi.Manifest, a *abi.Answer) { a.Conditions[0].Column = "who" }, "from and to need a column of type TIMESTAMPTZ"},
		"an unknown precision":          {func(_ *abi.Manifest, a *abi.Answer) { a.Conditions[0].Precision = "day" }, `precision "day" must be millisecond or second`},
		"an unknown operator":           {func(_ *abi.Manifest, a *abi.Answer) { a.Conditions[1].Operators[0] = "ne" }, `operator "ne" must be eq, sw, ge, le or pr`},
		"an operator twice":             {func(_ *abi.Manifest, a *abi.Answer) { a.Conditions[1].Operators[0] = "sw" }, `operator "sw" is listed twice`},
		"an order without a direction":  {func(_ *abi.Manifest, a *abi.Answer) { a.Orders[0].Descending = "" }, "an order needs"},
		"an order of an unknown input":  {func(_ *abi.Manifest, a *abi.Answer) { a.Orders[0].Input = "by" }, `range has no input field "by"`},
		"an order of an unknown column": {func(_ *abi.Manifest, a *abi.Answer) { a.Orders[0].Column = "when" }, "an order needs a column of the view"},
		"too many answers": {func(m *abi.Manifest, a *abi.Answer) {
			for range 16 {
				m.Views[0].Answers = append(m.Views[0].Answers, *a)
			}
		}, "may have 16 answers"},
	} {
		m := answering()
		c.change(&m, &m.Views[0].Answers[0])
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestManifest_Check_OfAViewOverAnother(t *testing.T) {
	over := func() abi.Manifest {
		m := answering()
		m.Views[0].Times, m.Views[0].Answers, m.Views[0].Input = nil, nil, nil
		m.Views = append(m.Views, abi.View{Name: "each", Operation: "range", Of: &abi.ViewOf{View: "recent", Column: "id", Input: "id", As: "of_id", Match: "^[a-z]+$"}})
		return m
	}
	if m := over(); m.Check() != nil {
		t.Fatal(m.Check())
	}
	for name, c := range map[string]struct {
		change func(*abi.Manifest, *abi.View)
		want   string
	}{
		"minor version 1":            {func(m *abi.Manifest, _ *abi.View) { m.Minor = 1 }, "answers and of need minor version 2"},
		"an unknown view":            {func(_ *abi.Manifest, v *abi.View) { v.Of.View = "gone" }, `view "gone" must be a view without of and times`},
		"a view over itself":         {func(_ *abi.Manifest, v *abi.View) { v.Of.View = "each" }, `view "each" must be a view without of and times`},
		"a view with times":          {func(m *abi.Manifest, _ *abi.View) { m.Views[0].Times = map[string]int64{"since": 0} }, `view "recent" must be a view without of and times`},
		"an unknown column":          {func(_ *abi.Manifest, v *abi.View) { v.Of.Column = "gone" }, `has no column "gone" of type VARCHAR`},
		"a column of another type":   {func(_ *abi.Manifest, v *abi.View) { v.Of.Column = "at" }, `has no column "at" of type VARCHAR`},
		"an unknown input":           {func(_ *abi.Manifest, v *abi.View) { v.Of.Input = "gone" }, `range has no input field "gone"`},
		"a name that a column has":   {func(_ *abi.Manifest, v *abi.View) { v.Of.As = "at" }, `as "at" is not a name, or a column has it`},
		"a match that is no pattern": {func(_ *abi.Manifest, v *abi.View) { v.Of.Match = "(" }, "match: "},
		"a match that is too long":   {func(_ *abi.Manifest, v *abi.View) { v.Of.Match = strings.Repeat("a", 257) }, "match is longer than 256 bytes"},
		"answers":                    {func(_ *abi.Manifest, v *abi.View) { v.Answers = []abi.Answer{} }, "a view with of has no times and no answers"},
	} {
		m := over()
		c.change(&m, &m.Views[1])
		if err := m.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// other adds a copy of the operation range, named other.
func other(m *abi.Manifest) *abi.Operation {
	o := m.Operations[1]
	o.Name = "other"
	m.Operations = append(m.Operations, o)
	return &m.Operations[len(m.Operations)-1]
}
