// Package when reads times as people write them.
package when

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mach5/okta-connector/internal/excerpt"
)

// Forms lists the forms that Parse accepts, for messages and help.
const Forms = "2026-01-02T03:04:05Z, 2026-01-02, -24h, 2h ago, yesterday or now"

// Parse returns the time that a text names, in UTC. It accepts RFC 3339 (a space may replace the T, and the seconds may be
// missing), a date, which is its midnight in UTC, a time relative to now (-24h, 2 hours ago), and now, today, yesterday and
// tomorrow. relative means that the text names another time on another day: such a time has no fraction of a second.
func Parse(text string, now time.Time) (t time.Time, relative bool, err error) {
	now = now.UTC().Truncate(time.Second)
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	plain := strings.ToLower(strings.Join(strings.Fields(text), " "))
	relative = true
	switch plain {
	case "now":
		return now, relative, nil
	case "today":
		return midnight, relative, nil
	case "yesterday":
		return midnight.AddDate(0, 0, -1), relative, nil
	case "tomorrow":
		return midnight.AddDate(0, 0, 1), relative, nil
	}
	if t, ok := ago(plain, now); ok {
		return t, relative, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, strings.ToUpper(strings.Replace(plain, " ", "T", 1))); err == nil && inRange(t.UTC()) {
			return t.UTC(), false, nil
		}
	}
	return time.Time{}, false, fmt.Errorf("want a time such as %s: found %q", Forms, excerpt.Of(text))
}

// inRange reports whether RFC 3339 can express a time of this year.
func inRange(t time.Time) bool { return t.Year() >= 1 && t.Year() <= 9999 }

var (
	// span is a number with its unit.
	span = regexp.MustCompile(`^(\d{1,6}|an?) ?([a-z]+) ?`)
	// spans are the units of the clock, by name. The longest span, 999999 hours, fits into a time.Duration.
	spans = map[string]time.Duration{
		"s": time.Second, "sec": time.Second, "second": time.Second,
		"m": time.Minute, "min": time.Minute, "minute": time.Minute,
		"h": time.Hour, "hr": time.Hour, "hour": time.Hour,
	}
)

// ago returns the time for "-1h30m" and "2 days ago". Months and years are those of the calendar.
func ago(text string, now time.Time) (t time.Time, ok bool) {
	rest, isNegative := strings.CutPrefix(text, "-")
	rest, isAgo := strings.CutSuffix(rest, " ago")
	if isNegative == isAgo {
		return t, false
	}
	for t = now; rest != ""; {
		m := span.FindStringSubmatch(rest)
		if m == nil {
			return t, false
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			n = 1 // a, an
		}
		unit := m[2]
		if len(unit) > 1 {
			unit = strings.TrimSuffix(unit, "s")
		}
		switch length, known := spans[unit]; {
		case known:
			t = t.Add(-time.Duration(n) * length)
		case unit == "d", unit == "day":
			t = t.AddDate(0, 0, -n)
		case unit == "w", unit == "week":
			t = t.AddDate(0, 0, -7*n)
		case unit == "month":
			t = t.AddDate(0, -n, 0)
		case unit == "year":
			t = t.AddDate(-n, 0, 0)
		default:
			return t, false
		}
		if !inRange(t) {
			return t, false
		}
		rest = rest[len(m[0]):]
	}
	return t, t.Before(now)
}
