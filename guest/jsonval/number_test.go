package jsonval

import (
	"math/big"
	"strconv"
	"testing"
)

var numbers = []string{"0", "-0", "0.0", "0e5", "1", "-1", "1.0", "10", "1e1", "1E+1", "100e-1", "0.1", "0.10", "1e-1", "-12.50", "9007199254740993", "9007199254740992",
	"9223372036854775807", "-9223372036854775808", "9223372036854775808", "-9223372036854775809", "1e18", "1e19", "1e20", "123456789e10", "0.000001", "1e-6",
	"5e0", "1e999999", "1e1000000", "1e-999999", "00012e0"}

func parsed(t *testing.T, text string) Value {
	v, err := Parse(text)
	if err != nil || v.Kind() != Number || len(text) > 100 {
		t.Skip()
	}
	return v
}

// agree compares two numbers by this package and by math/big.
func agree(t *testing.T, a, b string) {
	v, w := parsed(t, a), parsed(t, b)
	x, y := new(big.Rat), new(big.Rat)
	if d, ok := decimalOf(v.Raw()); !ok || d.exponent > 1000 || d.exponent < -1000 { // too large for big.Rat
		return
	}
	if d, ok := decimalOf(w.Raw()); !ok || d.exponent > 1000 || d.exponent < -1000 {
		return
	}
	x.SetString(v.Raw())
	y.SetString(w.Raw())
	if got, want := v.Equal(w), x.Cmp(y) == 0; got != want {
		t.Errorf("%s and %s are equal: %v, want %v", a, b, got, want)
	}
	want := int64(0)
	if x.IsInt() && x.Num().IsInt64() {
		want = x.Num().Int64()
	}
	if got := v.Int(); got != want {
		t.Errorf("%s is %s, want %s", a, strconv.FormatInt(got, 10), strconv.FormatInt(want, 10))
	}
}

func TestNumber_Pairs_AgreeWithBig(t *testing.T) {
	for _, a := range numbers {
		for _, b := range numbers {
			t.Run(a+" "+b, func(t *testing.T) { agree(t, a, b) })
		}
	}
}

func FuzzNumber(f *testing.F) {
	for i, a := range numbers {
		f.Add(a, numbers[(i+1)%len(numbers)])
	}
	f.Fuzz(agree)
}
