package clock

import (
	"net/http"
	"regexp"
	"testing"
	"time"
)

func TestInstant_EachDay_AgreesWithPackageTime(t *testing.T) {
	// One time on each day of a bit over 400 years, each at a different time of day.
	start := time.Date(1890, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 150_000 {
		want := start.AddDate(0, 0, i).Add(time.Duration(i*577) * time.Millisecond)
		text := want.Format("2006-01-02T15:04:05.000Z")
		got, ok := ParseInstant(text)
		if !ok || int64(got) != want.UnixMilli() || got.String() != text {
			t.Fatalf("%s: parsed as %d %v, formatted as %s, want %d", text, got, ok, got, want.UnixMilli())
		}
	}
	for _, text := range []string{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.6+02:00", "2026-12-31T23:59:59.123456789-11:30", "2024-02-29t00:00:00z"} {
		want, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			want, _ = time.Parse("2006-01-02t15:04:05z", text)
		}
		if got, ok := ParseInstant(text); !ok || int64(got) != want.UnixMilli() {
			t.Errorf("%s: parsed as %d %v, want %d", text, got, ok, want.UnixMilli())
		}
	}
	date := time.Date(2026, 11, 3, 4, 5, 6, 0, time.UTC)
	if got, ok := ParseHTTPDate(date.Format(http.TimeFormat)); !ok || int64(got) != date.UnixMilli() {
		t.Errorf("%s: parsed as %d %v", date.Format(http.TimeFormat), got, ok)
	}
}

var strict = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:[0-5]\d)$`)

// FuzzInstant compares with package time for texts in the form of RFC 3339. For other forms, such as an offset of 60
// minutes, this package is stricter.
func FuzzInstant(f *testing.F) {
	for _, s := range []string{"2026-01-02T03:04:05.678Z", "2026-13-02T03:04:05Z", "2026-01-02T03:04:05", "x", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+24:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := time.Parse(time.RFC3339Nano, s)
		got, ok := ParseInstant(s)
		if err == nil && strict.MatchString(s) && (!ok || int64(got) != want.UnixMilli()) {
			t.Fatalf("%q: parsed as %d %v, want %d", s, got, ok, want.UnixMilli())
		}
		_, _ = ParseHTTPDate(s)
	})
}
