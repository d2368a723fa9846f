// Package clock parses and formats times without package time, which would make a module 7 % larger (RATIONALE.md).
package clock

import (
	"strconv"

	"github.com/mach5/okta-connector/guest/connector/texts"
)

// Instant is a time in milliseconds since 1970-01-01 UTC.
type Instant int64

// ParseInstant parses RFC 3339, with or without a fraction of a second: 2026-01-02T03:04:05.678Z, …+02:00.
func ParseInstant(s string) (Instant, bool) {
	if len(s) < 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != 't' && s[10] != ' ' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	year, okY := texts.Digits(s[0:4], 0, 9999)
	month, okM := texts.Digits(s[5:7], 1, 12)
	day, okD := texts.Digits(s[8:10], 1, 31)
	hour, okH := texts.Digits(s[11:13], 0, 23)
	minute, okMin := texts.Digits(s[14:16], 0, 59)
	second, okS := texts.Digits(s[17:19], 0, 60)
	if !(okY && okM && okD && okH && okMin && okS) {
		return 0, false
	}
	ms, rest := int64(0), s[19:]
	if rest[0] == '.' {
		n := 1
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		if n == 1 {
			return 0, false
		}
		ms, _ = texts.Digits((rest[1:n] + "00")[:3], 0, 999)
		rest = rest[n:]
	}
	offset, ok := zone(rest)
	if !ok {
		return 0, false
	}
	return Instant((((daysBefore(year, month, day)*24+hour)*60+minute-offset)*60+second)*1000 + ms), true
}

// zone parses Z or an offset, and returns minutes.
func zone(s string) (int64, bool) {
	if s == "Z" || s == "z" {
		return 0, true
	}
	if len(s) != 6 || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, false
	}
	hours, okH := texts.Digits(s[1:3], 0, 24) // package time accepts 24
	minutes, okM := texts.Digits(s[4:6], 0, 59)
	minutes += hours * 60
	if s[0] == '-' {
		minutes = -minutes
	}
	return minutes, okH && okM
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// ParseHTTPDate parses the format of a Date header: Fri, 02 Jan 2026 03:04:05 GMT.
func ParseHTTPDate(s string) (Instant, bool) {
	if len(s) != 29 || s[3:5] != ", " || s[25:] != " GMT" {
		return 0, false
	}
	for m := int64(0); m < 12; m++ {
		if s[8:11] == months[m*3:m*3+3] {
			return ParseInstant(s[12:16] + "-" + pad2(m+1) + "-" + s[5:7] + "T" + s[17:25] + "Z")
		}
	}
	return 0, false
}

// String returns RFC 3339 with milliseconds.
func (t Instant) String() string {
	ms := int64(t)
	days := floorDiv(ms, 86_400_000)
	ms -= days * 86_400_000
	year, month, day := dateOf(days)
	s := strconv.FormatInt(10_000+year, 10)[1:] + "-" + pad2(month) + "-" + pad2(day)
	s += "T" + pad2(ms/3_600_000) + ":" + pad2(ms/60_000%60) + ":" + pad2(ms/1000%60)
	return s + "." + strconv.FormatInt(1000+ms%1000, 10)[1:] + "Z"
}

//go:noinline
func pad2(n int64) string { return strconv.FormatInt(100+n, 10)[1:] }

func floorDiv(a, b int64) int64 {
	if q := a / b; a%b >= 0 {
		return q
	} else {
		return q - 1
	}
}

// daysBefore returns the days from 1970-01-01 to a date of the Gregorian calendar. Its years begin in March, so that
// the leap day is last; 400 years have 146,097 days.
func daysBefore(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	era := floorDiv(year, 400)
	y := year - era*400
	return era*146_097 + y*365 + y/4 - y/100 + (153*(month-3)+2)/5 + day - 1 - 719_468
}

// dateOf is the inverse of daysBefore.
func dateOf(days int64) (year, month, day int64) {
	days += 719_468
	era := floorDiv(days, 146_097)
	d := days - era*146_097
	y := (d - d/1460 + d/36_524 - d/146_096) / 365
	d -= y*365 + y/4 - y/100
	m := (5*d + 2) / 153
	year, month, day = era*400+y, m+3, d-(153*m+2)/5+1
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, day
}
