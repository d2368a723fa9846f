package records

import (
	"testing"

	"github.com/tidwall/gjson"
)

var somePaths = []string{"id", "profile", "profile.login", "profile.a.b", "", "x.0", "profile.first-name", "missing.deep"}

func TestPaths_AnyRecord_FindWhatGetFinds(t *testing.T) {
	for _, record := range []string{
		`{"id":"00u1","profile":{"login":"a@b","a":{"b":[1,{"c":"}"}]},"first-name":"\"x\\"},"x":[7,8]}`,
		` { "profile" : { "login" : null , "a" : 5 } , "id" : -1.5e3 } `,
		`{"profile":{"other":1},"profile":{"login":"second","login":"third"},"id":true,"id":false}`,
		`{"\u0069d":"escaped","prof\u0069le":{"log\"in":1,"login":"y"}}`,
		`{"profile":["login"],"x":{"0":"named"}}`,
		`{}`, `[]`, `"text"`, `7`, `{"id":{},"profile":[]}`,
	} {
		same(t, record)
	}
}

// same wants the answers of Get, whose reader is gjson.
func same(t *testing.T, record string) {
	t.Helper()
	found := make([][]byte, len(somePaths))
	NewPaths(somePaths).Find([]byte(record), found)
	for i, path := range somePaths {
		want := Get([]byte(record), path)
		if path == "" {
			if string(found[i]) != record {
				t.Errorf("%s: the record is %q", record, found[i])
			}
			continue
		}
		if string(found[i]) != want.Raw {
			t.Errorf("%s: %s is %q, want %q", record, path, found[i], want.Raw)
		}
	}
}

func FuzzPaths(f *testing.F) {
	f.Add(`{"id":"00u1","profile":{"login":"a@b","a":{"b":[1,{"c":"}"}]}},"x":[7,8]}`)
	f.Add(`{"profile":{"login":null,"a":5},"id":-1.5e3,"\u0069d":"\\"}`)
	f.Fuzz(func(t *testing.T, record string) {
		if spans, err := Split([]byte(record), "", nil); err != nil || len(spans) != 1 || spans[0].End-spans[0].Start != len(record) || !gjson.Valid(record) {
			found := make([][]byte, len(somePaths))
			NewPaths(somePaths).Find([]byte(record), found) // whatever it finds, it ends
			return
		}
		same(t, record)
	})
}

// BenchmarkPaths compares one pass for all paths with gjson's one for each.
func BenchmarkPaths(b *testing.B) {
	record := []byte(`{"id":"00u1","status":"ACTIVE","created":"2023-01-01T00:00:00Z","lastLogin":null,"profile":{"firstName":"A","lastName":"B","login":"a@b","email":"a@b","department":"C","title":"D"},"credentials":{"provider":{"type":"OKTA","name":"OKTA"}},"_links":{"self":{"href":"https://example.okta.com/api/v1/users/00u1"}}}`)
	paths := []string{"id", "status", "created", "lastLogin", "profile.firstName", "profile.lastName", "profile.login", "profile.email", "profile.department", "profile.title", "credentials.provider.type", "_links.self.href"}
	b.Run("one-pass", func(b *testing.B) {
		b.SetBytes(int64(len(record)))
		p, found := NewPaths(paths), make([][]byte, len(paths))
		for b.Loop() {
			p.Find(record, found)
		}
	})
	b.Run("gjson", func(b *testing.B) {
		b.SetBytes(int64(len(record)))
		for b.Loop() {
			for _, path := range paths {
				Get(record, path)
			}
		}
	})
}
