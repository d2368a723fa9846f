package when

import (
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 30, 10, 20, 30, 999, time.UTC)

func TestParse_EachForm_IsATime(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-28T09:00:00Z":         "2026-11-28T09:00:00Z",
		"2026-11-28t09:00:00z":         "2026-11-28T09:00:00Z",
		"2026-11-28 09:00:00Z":         "2026-11-28T09:00:00Z",
		"2026-11-28T09:00Z":            "2026-11-28T09:00:00Z",
		"2026-11-28T09:00:00.25Z":      "2026-11-28T09:00:00.25Z",
		"2026-11-28T09:00:00+02:00":    "2026-11-28T07:00:00Z",
		"2026-11-28":                   "2026-11-28T00:00:00Z",
		"now":                          "2026-11-30T10:20:30Z",
		"Today":                        "2026-11-30T00:00:00Z",
		"yesterday":                    "2026-11-29T00:00:00Z",
		" tomorrow ":                   "2026-12-01T00:00:00Z",
		"-24h":                         "2026-11-29T10:20:30Z",
		"-1h30m":                       "2026-11-30T08:50:30Z",
		"-7d":                          "2026-11-23T10:20:30Z",
		"-2w":                          "2026-11-16T10:20:30Z",
		"2h ago":                       "2026-11-30T08:20:30Z",
		"2 hours ago":                  "2026-11-30T08:20:30Z",
		"1 day 2 hours ago":            "2026-11-29T08:20:30Z",
		"an hour ago":                  "2026-11-30T09:20:30Z",
		"A  Day AGO":                   "2026-11-29T10:20:30Z",
		"90 secs ago":                  "2026-11-30T10:19:00Z",
		"15 min ago":                   "2026-11-30T10:05:30Z",
		"3 months ago":                 "2026-08-30T10:20:30Z",
		"1 year ago":                   "2025-11-30T10:20:30Z",
		"-90 days":                     "2026-09-01T10:20:30Z",
		"-" + strings.Repeat("1h", 24): "2026-11-29T10:20:30Z",
	} {
		got, relative, err := Parse(text, now)
		if err != nil || got.Format(time.RFC3339Nano) != want || got.Location() != time.UTC {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
		}
		if dated := strings.HasPrefix(text, "2026"); relative == dated {
			t.Errorf("%q: relative is %v", text, relative)
		}
	}
}

func TestParse_AnythingElse_NamesTheForms(t *testing.T) {
	for _, text := range []string{"", " ", "soon", "24h", "-", "ago", " ago", "-24", "-24h ago", "-5 fortnights", "2026-11-28T09:00:00", "2026-13-01", "28.11.2026", "11/28/2026",
		"-999999 years", "-999999w", "-" + strings.Repeat("999999h", 30), "-1h x", "-0s", "1700000000", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-01:00"} {
		_, _, err := Parse(text, now)
		if err == nil || !strings.HasPrefix(err.Error(), "want a time such as 2026-01-02T03:04:05Z, 2026-01-02, -24h, 2h ago, yesterday or now: found ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzParse parses any text. An accepted time must be one that RFC 3339 can express, and Parse must read that as the
// same time.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"-24h", "2 hours ago", "yesterday", "2026-11-28", "2026-11-28T09:00:00.123456789+02:00", "-999999w", "a month ago"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, relative, err := Parse(text, now)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Fatalf("%q: the error %q is not one line", text, err)
			}
			return
		}
		again, _, err := Parse(at.Format(time.RFC3339Nano), now)
		if err != nil || !again.Equal(at) {
			t.Fatalf("%q is %s, which is read as %s, %v", text, at, again, err)
		}
		if relative && at.Nanosecond() != 0 {
			t.Fatalf("%q is %s", text, at)
		}
	})
}
