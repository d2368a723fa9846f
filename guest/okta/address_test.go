package okta

import (
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"
)

var addressTexts = []string{"192.0.2.1", "0.0.0.0", "255.255.255.255", "256.0.0.1", "01.2.3.4", "1.2.3", "1.2.3.4.5", "1.2.3.4.", "", " 1.2.3.4 ", "+1.2.3.4",
	"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", ":::", ":1::", "1:", "::ffff:192.0.2.1", "::ffff:c000:201", "::1.2.3.4",
	"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "1.2.3.4::", "1.2.3.4:1::", "::1.2.3.4:1", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "::1:2:3:4:5:6:7:8",
	"fe80::1%eth0", "12345::", "0001::", "00001::", "g::", "FFFF::ABCD", "1:0:0:2:0:0:0:3", "0:1:0:1:0:1:0:1", "1:2:3:4:5:6:7:1.2.3.04", "::1.2.3", "0x1::", "1_0::", "1%", "%"}

// agree compares the address that this package parses with net/netip's.
func agree(t *testing.T, text string) {
	t.Helper()
	want, err := netip.ParseAddr(strings.TrimSpace(text))
	a, ok := parseAddress(text)
	if ok != (err == nil && want.Zone() == "") {
		t.Fatalf("%q: %v, net/netip says %v", text, ok, err)
	}
	if !ok {
		return
	}
	if want = want.Unmap(); a.String() != want.String() || a.size != want.BitLen() {
		t.Errorf("%q is %s of %d bits, want %s", text, a, a.size, want)
	}
	for length := range a.size + 1 {
		p := netip.PrefixFrom(want, length)
		b, ok := parseBlock(p.String())
		if !ok || b.String() != p.String() || b.first().String() != p.Masked().Addr().String() {
			t.Errorf("%s: parsed as %s, first address %s", p, b, b.first())
		}
		last := p.Masked().Addr().AsSlice()
		for bit := length; bit < len(last)*8; bit++ {
			last[bit/8] |= 0x80 >> (bit % 8)
		}
		if end, _ := netip.AddrFromSlice(last); b.last().String() != end.String() {
			t.Errorf("%s ends at %s, want %s", p, b.last(), end)
		}
	}
	if next, ok := a.plus(0); ok != want.Next().IsValid() || ok && next.String() != want.Next().String() {
		t.Errorf("%s follows %s, want %s", next, a, want.Next())
	}
}

func TestAddress_Texts_AreThoseOfNetip(t *testing.T) {
	for _, text := range addressTexts {
		agree(t, text)
	}
	for _, text := range []string{"1.2.3.4/33", "::/129", "1.2.3.4/08", "1.2.3.4/", "1.2.3.4/+8", "1.2.3.4/-1", "1.2.3.4/8/9", "/8", "1.2.3.4", "1.2.3.4/1000", "::1%e/64"} {
		if b, ok := parseBlock(text); ok {
			t.Errorf("%q is the block %s", text, b)
		}
	}
}

func TestAddress_Order_IsThatOfNetip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	text := func() string {
		if r.IntN(2) == 0 {
			return netip.AddrFrom4([4]byte{byte(r.IntN(2)), byte(r.IntN(256)), 0, byte(r.IntN(256))}).String()
		}
		var b [16]byte
		for i := range b {
			b[i] = byte(r.IntN(2) * r.IntN(256))
		}
		return netip.AddrFrom16(b).String()
	}
	for range 2000 {
		s, o := text(), text()
		agree(t, s)
		a, _ := parseAddress(s)
		b, _ := parseAddress(o)
		if got, want := a.compare(b), netip.MustParseAddr(s).Unmap().Compare(netip.MustParseAddr(o).Unmap()); got != want {
			t.Errorf("%s and %s compare as %s, want %s", s, o, strconv.Itoa(got), strconv.Itoa(want))
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, text := range addressTexts {
		f.Add(text)
	}
	f.Fuzz(agree)
}
