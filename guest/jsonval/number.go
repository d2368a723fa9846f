package jsonval

import "strings"

// decimal is a number as 0.digits × 10^exponent, without zeros at either end of the digits. Two numbers are equal if
// their decimals are. Zero has no digits. It is exact, unlike a float. Parsing floats would add 2 % to the module
// (docs/measurements.md).
type decimal struct {
	negative bool
	digits   string
	exponent int
}

// decimalOf parses a JSON number; ok is false if the exponent has more than six digits.
func decimalOf(number string) (d decimal, ok bool) {
	mantissa, exponent := number, 0
	if i := strings.IndexAny(number, "eE"); i >= 0 {
		if exponent, ok = exponentOf(number[i+1:]); !ok {
			return d, false
		}
		mantissa = number[:i]
	}
	mantissa, d.negative = strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	d.digits = strings.TrimLeft(digits, "0")
	d.exponent = exponent + len(whole) - (len(digits) - len(d.digits))
	if d.digits = strings.TrimRight(d.digits, "0"); d.digits == "" {
		return decimal{}, true
	}
	return d, true
}

func exponentOf(s string) (n int, ok bool) {
	s, negative := strings.CutPrefix(strings.TrimPrefix(s, "+"), "-")
	if s = strings.TrimLeft(s, "0"); len(s) > 6 {
		return 0, false
	}
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	if negative {
		n = -n
	}
	return n, true
}

// int64 returns the value of a whole number, and 0 for any other.
func (d decimal) int64() int64 {
	if d.exponent < len(d.digits) || d.exponent > 19 {
		return 0
	}
	var n uint64
	for i := range d.exponent {
		n *= 10
		if i < len(d.digits) {
			n += uint64(d.digits[i] - '0')
		}
	}
	switch { // a uint64 holds 19 digits
	case d.negative && n <= 1<<63:
		return -int64(n)
	case !d.negative && n < 1<<63:
		return int64(n)
	}
	return 0
}

// plainInt parses a whole number of up to 18 digits.
func plainInt(s string) (n int64, ok bool) {
	if len(s) > 18 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}
