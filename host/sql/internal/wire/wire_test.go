package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestRows_CutAnywhere_AreReadBack(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	sent := [][]any{{nil, true, int64(math.MinInt64)}, {"text é", json.RawMessage(`{"a":1}`), 1.5}, {at, false, ""}, {strings.Repeat("x", 5000), nil, math.Inf(1)}}
	var b []byte
	for _, row := range sent {
		var err error
		if b, err = AppendRow(b, row); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int{1, 3, 7, 100, len(b)} {
		r, got := NewRowReader(3), [][]any(nil)
		for rest := b; ; {
			row, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if row != nil {
				got = append(got, append([]any(nil), row...))
				continue
			}
			if len(rest) == 0 {
				break
			}
			n := min(size, len(rest))
			r.Add(rest[:n])
			rest = rest[n:]
		}
		if !reflect.DeepEqual(got, sent) {
			t.Errorf("in pieces of %d: %v", size, got)
		}
	}
	if _, err := AppendRow(nil, []any{strings.Repeat("x", MaxRow)}); !errors.Is(err, ErrLimit) {
		t.Errorf("a row that is too large: %v", err)
	}
}

func TestCells_AreReadBack(t *testing.T) {
	b := AppendText(AppendDouble(AppendInt(AppendBool(AppendNull(nil), true), -7), 1.5), "text")
	c := NewCells(b)
	if !c.Null() || c.Null() || !c.Bool() || c.Null() || c.Int() != -7 || c.Null() || c.Double() != 1.5 || c.Null() || string(c.Text()) != "text" || c.Err() != nil {
		t.Error("the cells are others")
	}
	if !c.Null() || !errors.Is(c.Err(), ErrBatch) {
		t.Error("there are more cells than were encoded")
	}
}

func TestReader_LongFrame_IsRefused(t *testing.T) {
	var b bytes.Buffer
	if err := NewWriter(&b).Send(Rows, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := NewReader(bytes.NewReader(b.Bytes()), 99).Next(); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	if _, _, err := NewReader(bytes.NewReader(b.Bytes()[:50]), 100).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
}

// FuzzRowReader: no bytes make it panic, or take more memory than they are.
func FuzzRowReader(f *testing.F) {
	row, _ := AppendRow(nil, []any{nil, true, int64(1), 1.5, "x", json.RawMessage("{}"), time.Unix(0, 0)})
	f.Add(row, 7, 3)
	f.Add([]byte{0xff, 0xff, 0xff, 3}, 1, 1)
	f.Fuzz(func(_ *testing.T, b []byte, columns, size int) {
		if columns < 1 || columns > 100 || size < 1 {
			return
		}
		r := NewRowReader(columns)
		for {
			row, err := r.Next()
			if err != nil || row == nil && len(b) == 0 {
				return
			}
			if row == nil {
				n := min(size, len(b))
				r.Add(b[:n])
				b = b[n:]
			}
		}
	})
}

// FuzzCells: no batch makes it panic.
func FuzzCells(f *testing.F) {
	f.Add(AppendText(AppendInt(nil, 1), "x"), []byte("it"))
	f.Fuzz(func(_ *testing.T, batch, types []byte) {
		c := NewCells(batch)
		for _, typ := range types {
			if c.Null() {
				continue
			}
			switch typ {
			case 'b':
				c.Bool()
			case 'i':
				c.Int()
			case 'd':
				c.Double()
			default:
				c.Text()
			}
		}
	})
}

// FuzzParseCall: what is parsed is what would be encoded.
func FuzzParseCall(f *testing.F) {
	f.Add(Call{"a", "b", "{}", "v", "g"}.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCall(b)
		if err == nil && !bytes.Equal(c.Bytes(), b) {
			t.Errorf("%q became %q", b, c.Bytes())
		}
	})
}

// FuzzTakePushed: what a process sends is bounded, and what is read is what would be sent.
func FuzzTakePushed(f *testing.F) {
	whole, err := (&Pushed{Condition: &Condition{Op: OpIn, Column: "id", Values: []string{"a"}}, Order: "at"}).Bytes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(whole, 1, 2))
	f.Add(Number(0))
	f.Add(Number(MaxPushed + 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, rest, err := TakePushed(b)
		if err != nil {
			return
		}
		again, err := p.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		same, _, err := TakePushed(again)
		if err != nil || !reflect.DeepEqual(p, same) || len(rest) > len(b) {
			t.Errorf("%+v became %+v: %v", p, same, err)
		}
	})
}
