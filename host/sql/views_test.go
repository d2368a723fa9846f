package sql

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

func TestViews_AreThoseOfTheManifest(t *testing.T) {
	op := func(name string, class abi.Class, surfaces ...abi.Surface) abi.Operation {
		return abi.Operation{Name: name, Summary: "Reads " + name + ".", Class: class, Surfaces: surfaces}
	}
	m := &abi.Manifest{
		Operations: []abi.Operation{op("list_things", abi.Read, abi.SQL), op("range", abi.Read, abi.SQL), op("hidden", abi.Read, abi.Axon), op("list_more", abi.Read, abi.SQL)},
		Views: []abi.View{
			{Name: "things", Operation: "list_things"},
			{Name: "all_things", Operation: "list_things", Input: json.RawMessage(`{"note":"it's"}`), Comment: "All of them."},
			{Name: "log", Operation: "range", Times: map[string]int64{"until": 0, "since": -7200}},
			{Name: "failures", Operation: "range", Input: json.RawMessage(`{"failed":true}`), Times: map[string]int64{"since": -86_400}},
			{Name: "hidden", Operation: "hidden"}, {Name: "gone", Operation: "gone"},
		},
	}
	got := views(m)
	want := []view{
		{name: "things", operation: "list_things", input: `JSON '{}'`, comment: "Reads list_things."},
		{name: "all_things", operation: "list_things", input: `JSON '{"note":"it''s"}'`, comment: "All of them."},
		{name: "log", operation: "range", comment: "Reads range.",
			input: `json_object('since', strftime(now() + to_seconds(-7200), '%Y-%m-%dT%H:%M:%S.%gZ'), 'until', strftime(now() + to_seconds(0), '%Y-%m-%dT%H:%M:%S.%gZ'))`,
			hint:  "the view log has only what happened in the last 2 hours, even where a WHERE asks for more: connector_table(…, 'range', json_object('since', …, 'until', …)) reads other times"},
		{name: "failures", operation: "range", comment: "Reads range.",
			input: `json_merge_patch(JSON '{"failed":true}', json_object('since', strftime(now() + to_seconds(-86400), '%Y-%m-%dT%H:%M:%S.%gZ')))`,
			hint:  "the view failures has only what happened in the last day, even where a WHERE asks for more: connector_table(…, 'range', json_object('since', …)) reads other times"},
	}
	if len(got) != len(want) {
		t.Fatalf("%d views: %+v", len(got), got)
	}
	for i := range want {
		named := got[i].named
		if (named != nil) != (want[i].hint != "") || named != nil && (!named.MatchString("FROM x."+strings.ToUpper(want[i].name)) || named.MatchString("FROM x.a"+want[i].name)) {
			t.Errorf("%s: named is %v", want[i].name, named)
		}
		if got[i].named = nil; got[i] != want[i] {
			t.Errorf("got  %+v\nwant %+v", got[i], want[i])
		}
	}
}
