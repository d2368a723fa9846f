//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	dbsql "database/sql"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mach5/okta-connector/host/records"
)

func TestRepaired_WhatDuckDBRefuses(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":"cut \ud83d"}`:           `{"a":"cut \ufffd"}`,
		`{"a":"\uD83D\uDE00"}`:         `{"a":"\uD83D\uDE00"}`,
		`{"a":"\ude00\ud83d"}`:         `{"a":"\ufffd\ufffd"}`,
		`{"a":"\ud83d\ud83d\ude00"}`:   `{"a":"\ufffd\ud83d\ude00"}`,
		`{"a":"\ud83dx\ude00"}`:        `{"a":"\ufffdx\ufffd"}`,
		`{"\ud83d":1}`:                 `{"\ufffd":1}`,
		`{"a":"\\ud83d"}`:              `{"a":"\\ud83d"}`,
		`{"a":"\\\ud83d"}`:             `{"a":"\\\ufffd"}`,
		"{\"a\":\"\xff\xed\xa0\xbd\"}": "{\"a\":\"\uFFFD\"}",
		`{"a":"é\u0000\n"}`:            `{"a":"é\u0000\n"}`,
	} {
		if got := string(repaired([]byte(in))); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// FuzzRepaired: whatever the host takes as a record, DuckDB takes once it is repaired.
func FuzzRepaired(f *testing.F) {
	db, err := dbsql.Open("duckdb", "")
	if err != nil {
		f.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, seed := range []string{`{"a":"\ud83d"}`, `{"a":"\ud83d\ude00","b":[1e999,-0,18446744073709551616,0.1e-999]}`, "{\"\xff\":\"\xed\xa0\xbd\"}", `{"a":"\\\udc00"}`,
		strings.Repeat(`[`, 400) + strings.Repeat(`]`, 400), `"\u0000"`, ` {"a" : "\/\b\f" } `} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := records.Split(append([]byte("["), append(text, ']')...), "", nil); err != nil {
			t.Skip()
		}
		before := string(text)
		got := repaired(text)
		if string(text) != before || !utf8.Valid(got) || !json.Valid(append([]byte("["), append(got[:len(got):len(got)], ']')...)) {
			t.Fatalf("%q became %q", before, got)
		}
		var valid bool
		if err := db.QueryRow("SELECT json_valid(?)", "["+string(got)+"]").Scan(&valid); err != nil || !valid {
			t.Fatalf("%q became %q, which DuckDB refuses: %v", before, got, err)
		}
	})
}
