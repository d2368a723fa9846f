package okta

import (
	"cmp"
	"math/bits"
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/guest/connector/texts"
)

// address is an IP address. It replaces netip.Addr, which would add 3 % to the module (docs/measurements.md). A test
// compares the two. The zero value is not a valid address.
type address struct {
	hi, lo uint64 // IPv4 has only lo
	size   int    // in bits: 32 or 128
}

// parseAddress parses an address without a zone. An IPv4-mapped IPv6 address (::ffff:192.0.2.1) becomes IPv4.
func parseAddress(s string) (address, bool) {
	a, ok := parseIP(strings.TrimSpace(s))
	if ok && a.isMapped() {
		a = address{lo: a.lo & 0xffff_ffff, size: 32}
	}
	return a, ok
}

// isMapped reports whether a is an IPv4-mapped IPv6 address.
func (a address) isMapped() bool { return a.size == 128 && a.hi == 0 && a.lo>>32 == 0xffff }

func parseIP(s string) (address, bool) {
	if strings.Contains(s, ":") {
		return parseIPv6(s)
	}
	lo, ok := parseIPv4(s)
	return address{lo: lo, size: 32}, ok
}

// parseIPv4 parses four decimal numbers of at most 255, without leading zeros.
func parseIPv4(s string) (value uint64, ok bool) {
	for i := range 4 {
		part, rest, more := strings.Cut(s, ".")
		n, ok := decimal(part, 255)
		if !ok || more != (i < 3) {
			return 0, false
		}
		value, s = value<<8|uint64(n), rest
	}
	return value, true
}

// decimal parses a number of at most most, without a sign or leading zeros.
func decimal(s string, most int) (n int, ok bool) {
	value, ok := texts.WholeNumber(s)
	return int(value), ok && value <= int64(most) && (len(s) == 1 || s[0] != '0')
}

// parseIPv6 parses eight groups of up to four hexadecimal digits. One :: may replace one or more groups of zeros. The last
// two groups may be an IPv4 address (RFC 4291, section 2.2).
func parseIPv6(s string) (address, bool) {
	front, back, shortened := strings.Cut(s, "::")
	if shortened && strings.HasPrefix(back, ":") {
		return address{}, false
	}
	before, ok := groups(front, !shortened)
	after, ok2 := groups(back, true)
	n := len(before) + len(after)
	if !ok || !ok2 || shortened && n > 7 || !shortened && n != 8 {
		return address{}, false
	}
	all := append(append(before, make([]uint16, 8-n)...), after...)
	a := address{size: 128}
	for i := range 4 {
		a.hi, a.lo = a.hi<<16|uint64(all[i]), a.lo<<16|uint64(all[4+i])
	}
	return a, true
}

// groups parses groups of an IPv6 address. With end, the last two groups may be an IPv4 address.
func groups(s string, end bool) (all []uint16, ok bool) {
	for more := s != ""; more; {
		var g string
		if g, s, more = strings.Cut(s, ":"); !more && end && strings.Contains(g, ".") {
			v, ok := parseIPv4(g)
			return append(all, uint16(v>>16), uint16(v)), ok && len(all) <= 6
		}
		n, ok := hexadecimal(g)
		if !ok || len(all) == 8 {
			return nil, false
		}
		all = append(all, n)
	}
	return all, true
}

// hexadecimal parses a number of one to four hexadecimal digits.
func hexadecimal(s string) (n uint16, ok bool) {
	for i := range len(s) {
		digit := strings.IndexByte("0123456789abcdef", s[i]|0x20)
		if digit < 0 || s[i] < '0' {
			return 0, false
		}
		n = n<<4 | uint16(digit)
	}
	return n, len(s) >= 1 && len(s) <= 4
}

func (a address) compare(b address) int {
	return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.hi, b.hi), cmp.Compare(a.lo, b.lo))
}

// plus returns a + 2^shift; ok is false where that is above the last address.
func (a address) plus(shift int) (next address, ok bool) {
	next = a
	var carry uint64
	if shift < 64 {
		next.lo, carry = bits.Add64(a.lo, 1<<shift, 0)
		next.hi, carry = bits.Add64(a.hi, 0, carry)
	} else {
		next.hi, carry = bits.Add64(a.hi, 1<<(shift-64), 0)
	}
	return next, carry == 0 && (a.size == 128 || next.lo>>32 == 0)
}

// String returns the address in the form of RFC 5952.
func (a address) String() string {
	if a.size != 128 {
		return ipv4(a.lo)
	}
	if a.isMapped() {
		return "::ffff:" + ipv4(a.lo&0xffff_ffff)
	}
	group := func(i int) uint64 { return [...]uint64{a.hi, a.lo}[i/4] >> (48 - 16*(i%4)) & 0xffff }
	from, to := -1, -1 // the longest run of at least two zero groups, the first of equals
	for i := 0; i < 8; i++ {
		j := i
		for j < 8 && group(j) == 0 {
			j++
		}
		if j-i >= 2 && j-i > to-from {
			from, to = i, j
		}
		i = max(i, j-1)
	}
	var b []byte
	for i := 0; i < 8; i++ {
		if i == from {
			b = append(b, "::"...)
			if i = to; i == 8 {
				break
			}
		} else if i > 0 {
			b = append(b, ':')
		}
		b = strconv.AppendUint(b, group(i), 16)
	}
	return string(b)
}

func ipv4(v uint64) string {
	var b []byte
	for shift := 24; shift >= 0; shift -= 8 {
		b = strconv.AppendUint(b, v>>shift&0xff, 10)
		if shift > 0 {
			b = append(b, '.')
		}
	}
	return string(b)
}

// block is a CIDR block: all addresses that begin with the first length bits of its address.
type block struct {
	address
	length int
}

// parseBlock parses a CIDR block. Bits of its address beyond the length may be set.
func parseBlock(s string) (block, bool) {
	text, length, _ := strings.Cut(s, "/")
	a, ok := parseIP(text)
	n, ok2 := decimal(length, a.size)
	return block{a, n}, ok && ok2
}

// mask returns a mask of the bits beyond the length of a block.
//
//go:noinline
func (b block) mask() (hi, lo uint64) {
	rest := b.size - b.length
	switch {
	case rest > 64:
		return 1<<(rest-64) - 1, ^uint64(0)
	case rest == 64:
		return 0, ^uint64(0)
	}
	return 0, 1<<rest - 1
}

//go:noinline
func (b block) first() address {
	hi, lo := b.mask()
	return address{b.hi &^ hi, b.lo &^ lo, b.size}
}

//go:noinline
func (b block) last() address {
	hi, lo := b.mask()
	return address{b.hi | hi, b.lo | lo, b.size}
}

func (b block) String() string { return b.address.String() + "/" + strconv.Itoa(b.length) }
