package connector

import "strconv"

// Times cross to the guest as text. What is done with them here is little enough to do without package time, which
// would be a fifteenth of the module (RATIONALE.md).

// Instant is a time in milliseconds since 1970, UTC.
type Instant int64

// ParseInstant reads RFC 3339, with or without a fraction of a second: 2026-01-02T03:04:05.678Z, …+02:00.
func ParseInstant(s string) (Instant, bool) {
	if len(s) < 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != 't' && s[10] != ' ' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	year, okY := digits(s[0:4], 0, 9999)
	month, okM := digits(s[5:7], 1, 12)
	day, okD := digits(s[8:10], 1, 31)
	hour, okH := digits(s[11:13], 0, 23)
	minute, okMin := digits(s[14:16], 0, 59)
	second, okS := digits(s[17:19], 0, 60)
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
		ms, _ = digits((rest[1:n] + "00")[:3], 0, 999)
		rest = rest[n:]
	}
	offset, ok := zone(rest)
	if !ok {
		return 0, false
	}
	return Instant((((daysBefore(year, month, day)*24+hour)*60+minute-offset)*60+second)*1000 + ms), true
}

// zone reads Z or an offset, in minutes.
func zone(s string) (int64, bool) {
	if s == "Z" || s == "z" {
		return 0, true
	}
	if len(s) != 6 || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, false
	}
	hours, okH := digits(s[1:3], 0, 24) // 24 as package time takes it
	minutes, okM := digits(s[4:6], 0, 59)
	minutes += hours * 60
	if s[0] == '-' {
		minutes = -minutes
	}
	return minutes, okH && okM
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// ParseHTTPDate reads the form of a Date header: Fri, 02 Jan 2026 03:04:05 GMT.
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

// String writes RFC 3339 with milliseconds, as the service does.
func (t Instant) String() string {
	ms := int64(t)
	days := floorDiv(ms, 86_400_000)
	ms -= days * 86_400_000
	year, month, day := dateOf(days)
	s := strconv.FormatInt(10_000+year, 10)[1:] + "-" + pad2(month) + "-" + pad2(day)
	s += "T" + pad2(ms/3_600_000) + ":" + pad2(ms/60_000%60) + ":" + pad2(ms/1000%60)
	return s + "." + strconv.FormatInt(1000+ms%1000, 10)[1:] + "Z"
}

// WholeNumber reads a number of up to 18 digits, without a sign.
func WholeNumber(s string) (n int64, ok bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	return digits(s, 0, 1<<62)
}

//go:noinline
func digits(s string, least, most int64) (n int64, ok bool) {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, n >= least && n <= most
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

// daysBefore counts the days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that the
// leap day comes last; 146,097 days are 400 years.
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
