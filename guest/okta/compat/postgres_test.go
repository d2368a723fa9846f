//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package compat_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// postgres has expressions with the text that PostgreSQL 15 makes of them.
var postgres = map[string]string{
	`'{"a":{"b":1}}'::jsonb @> '{"b":1}'`:                             "false",
	`'{"b":1}'::jsonb <@ '{"a":{"b":1}}'`:                             "false",
	`'{"a":{"b":1,"c":2}}'::jsonb @> '{"a":{"c":2.0}}'`:               "true",
	`'[{"type":"X","id":1}]'::jsonb @> '[{"type":"X"}]'`:              "true",
	`'[{"a":{"type":"X"}}]'::jsonb @> '[{"type":"X"}]'`:               "false",
	`'[1,2,3]'::jsonb @> '[3,1,1]'`:                                   "true",
	`'[1,[2]]'::jsonb @> '[2]'`:                                       "false",
	`'["a","b"]'::jsonb @> '"a"'`:                                     "true",
	`'"a"'::jsonb @> '["a"]'`:                                         "false",
	`'{"a":[1]}'::jsonb @> '{"a":1}'`:                                 "false",
	`'{"a":null}'::jsonb @> '{"a":null}'`:                             "true",
	`'{"a":1}'::jsonb @> '{}'`:                                        "true",
	`'{"a":1}'::jsonb @> '[]'`:                                        "false",
	`'{"a\"b":"1"}'::jsonb @> '{"a\"b":1}'`:                           "false",
	`'9007199254740993'::jsonb @> '9007199254740992'`:                 "false",
	`NULL::jsonb @> '{}'`:                                             "NULL",
	`to_char(TIMESTAMPTZ '2024-01-05 13:04:05+00', 'Mon DD, YYYY')`:   "Jan 05, 2024",
	`to_char(TIMESTAMP '2024-01-05 00:04:05', 'HH12:MI AM')`:          "12:04 AM",
	`to_char(TIMESTAMP '2024-01-05 13:04:05.678', 'HH24:MI:SS.MS')`:   "13:04:05.678",
	`to_char(TIMESTAMP '2024-01-05 13:04:05', 'yyyy-mm-dd hh:mi pm')`: "2024-01-05 01:04 pm",
	`to_char(DATE '2024-01-05', 'Day, DY dd Month YY')`:               "Friday   , FRI 05 January   24",
	`to_char(DATE '2024-01-02', 'FMMonth FMDDth "at" Q')`:             "January 2nd at 1",
	`to_char(TIMESTAMPTZ '2024-01-05 13:04:05+00', 'HH24 TZ')`:        "13 UTC",
	`to_char(TIMESTAMP '2024-01-05 13:04:05', 'YYYY-MM-DD"T"HH24')`:   "2024-01-05T13",
	`to_char(TIMESTAMP '2024-01-05 13:04:05', 'YYYY-MM-DDTHH24')`:     "2024-01-05THH24",
	`jsonb_extract_path('[1,2]', '0')`:                                "1",
	`jsonb_extract_path('[1,[2,3]]', '-1', '0')`:                      "2",
	`jsonb_extract_path('[1]', 'a')`:                                  "NULL",
	`jsonb_extract_path('{"a\"b":{"c.d":3}}', 'a"b', 'c.d')`:          "3",
	`jsonb_extract_path_text('{"a":["x"]}', 'a', '0')`:                "x",
	`(SELECT value FROM jsonb_each('{"a\"b":1}'))`:                    "1",
	`(SELECT value FROM jsonb_each_text('{"a\"b":"x"}'))`:             "x",
	`steampipe.both_cases('{"a\"b":1}') ->> '/A"b'`:                   "1",
}

// TestSteampipe_FunctionsOfPostgres_AreAsThere compares values with those of Postgres.
func TestSteampipe_FunctionsOfPostgres_AreAsThere(t *testing.T) {
	db := open(t, connected(t, "okta", oktatest.New(oktatest.Config{})))
	for expression, want := range postgres {
		_, found, err := rows(t, db, "SELECT coalesce(("+expression+")::VARCHAR, 'NULL')")
		if err != nil || len(found) != 1 || fmt.Sprint(found[0][0]) != want {
			t.Errorf("%s: %v, %v, want %s", expression, found, err, want)
		}
	}
	deep := strings.Repeat("[", 10) + strings.Repeat("]", 10)
	for expression, says := range map[string]string{
		`to_char(TIMESTAMP '2024-01-05 13:04:05', 'RM')`:      "cannot translate RM",
		`to_char(TIMESTAMP '2024-01-05 13:04:05', 'TMMonth')`: "cannot translate TM",
		`'` + deep + `'::jsonb @> '` + deep + `'`:             "nested up to 8 deep",
	} {
		if _, found, err := rows(t, db, "SELECT "+expression); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, %v", expression, found, err)
		}
	}
}
