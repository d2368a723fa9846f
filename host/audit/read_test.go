package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/mach5/okta-connector/abi"
)

func invokes(t *testing.T, content string) []Invoke {
	t.Helper()
	var d Invokes
	var all []Invoke
	for l, err := range Lines(strings.NewReader(content)) {
		if err != nil {
			t.Fatal(err)
		}
		if l.Problem == "" {
			all = append(all, d.Add("f", l)...)
		}
	}
	return append(all, d.Rest()...)
}

func TestInvokes_TwoRecords_AreJoined(t *testing.T) {
	const (
		writing = `{"time":"2026-01-02T03:04:05Z","run":"%s","connection":"okta","operation":"%[1]s","phase":"writing","requests":[]}` + "\n"
		ended   = `{"time":"2026-01-02T03:04:06Z","run":"%s","connection":"okta","operation":"%[1]s","outcome":"succeeded","requests":[]}` + "\n"
	)
	all := invokes(t, fmt.Sprintf(writing, "a")+fmt.Sprintf(writing, "killed")+fmt.Sprintf(ended, "read")+fmt.Sprintf(writing, "b")+fmt.Sprintf(ended, "b")+
		fmt.Sprintf(ended, "a"))
	var got []string
	for _, d := range all {
		got = append(got, fmt.Sprint(d.Operation, " ", d.Outcome, " ", d.Interrupted, " ", !d.Started.IsZero(), " ", d.Line))
	}
	want := "read succeeded false false 3, b succeeded false true 5, a succeeded false true 6, killed interrupted true true 2"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
	// Records of an earlier version have no run. They are joined by their other members, in order.
	if all := invokes(t, old+old+strings.SplitAfter(old, "\n")[0]); len(all) != 3 || all[0].Interrupted || all[0].Started.IsZero() || !all[2].Interrupted || all[2].Outcome != Interrupted {
		t.Errorf("%+v", all)
	}
	if Interrupted.Valid() {
		t.Error("interrupted must not be an outcome of a result")
	}
	for _, o := range abi.Outcomes() {
		if o == Interrupted {
			t.Error(o)
		}
	}
}

// TestInvokes_WithoutEnd_AreBounded reads more interrupted runs than are kept in memory.
func TestInvokes_WithoutEnd_AreBounded(t *testing.T) {
	var d Invokes
	n := 0
	for i := range maxOpen + 500 {
		l := parse(i+1, fmt.Appendf(nil, `{"run":"%d","operation":"a","phase":"writing"}`, i), false)
		n += len(d.Add("f", l))
		if i%3 == 0 { // some end
			n += len(d.Add("f", parse(0, fmt.Appendf(nil, `{"run":"%d","operation":"a","outcome":"succeeded"}`, i), false)))
		}
	}
	if n += len(d.Rest()); n != maxOpen+500 {
		t.Errorf("%d invokes of %d", n, maxOpen+500)
	}
	for i := range maxOpen + 10 {
		all := d.Add("f", parse(i+1, fmt.Appendf(nil, `{"run":"%d","operation":"a","phase":"writing"}`, i), false))
		if len(all) != max(0, min(1, i-maxOpen+1)) || len(all) == 1 && (!all[0].Interrupted || all[0].Line != i-maxOpen+1) {
			t.Fatalf("%d: %+v", i, all)
		}
	}
}

func TestLines_LongLines_TakeBoundedMemory(t *testing.T) {
	line := `{"operation":"a","input":"` + strings.Repeat("x", 1<<20) + `"}` + "\n"
	many := make([]io.Reader, 60)
	for i := range many {
		many[i] = strings.NewReader(line)
	}
	huge := io.LimitReader(zeros{}, 100<<20)
	in := io.MultiReader(append(many, huge, strings.NewReader("\n"+line))...)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n, long := 0, 0
	for l, err := range Lines(in) {
		switch {
		case err != nil:
			t.Fatal(err)
		case l.Problem != "":
			long++
			if l.Whole || !strings.Contains(l.Problem, "is longer than") {
				t.Errorf("%+v", l)
			}
		default:
			n++
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if n != 61 || long != 1 {
		t.Errorf("%d records, %d too long", n, long)
	}
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 100<<20 {
		t.Errorf("the heap grew by %d MiB for 160 MiB of lines", grown>>20)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestLines_FailingReader_ReturnsItsError(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, err := range Lines(io.MultiReader(strings.NewReader(old), iotest.ErrReader(broken))) {
		if err != nil && !errors.Is(err, broken) {
			t.Error(err)
		} else if err != nil {
			return
		}
	}
	t.Error("no error")
}

func FuzzLines(f *testing.F) {
	f.Add([]byte(old))
	f.Add([]byte(`{"prev":"","operation":"a","phase":"writing","run":"r"}` + "\n" + `{"prev":"x","operation":"a","run":"r","outcome":"succeeded"}`))
	f.Add([]byte("\n\r\n{}\n[]\nnull\n{\"operation\":1}\n\x00\x1b[2J"))
	f.Add([]byte(`{"operation":"a","before":{"value":null},"requests":[{}],"process":null,"error":{}}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		one, all := "", ""
		for _, r := range []io.Reader{bytes.NewReader(content), iotest.OneByteReader(bytes.NewReader(content))} {
			c, lines := NewChain("00", ""), 0
			var d Invokes
			var ended int
			for l, err := range Lines(r) {
				if err != nil {
					t.Fatal(err)
				}
				lines++
				text := bytes.Split(content, []byte("\n"))[l.Number-1]
				if l.Whole != isWhole(text) || l.Hash != Hash(text) {
					t.Fatalf("%+v of %q", l, text)
				}
				if l.Number < 1 || l.Number > bytes.Count(content, []byte("\n"))+1 || l.Hash == "" || l.Problem == "" && (!l.Whole || l.Record.Operation == "") {
					t.Fatalf("%+v", l)
				}
				broken, note := c.Next(l)
				if broken != "" && note != "" || broken != "" && c.Lines < 2 {
					t.Fatalf("%q %q", broken, note)
				}
				if l.Problem == "" {
					ended += len(d.Add("f", l))
				}
			}
			ended += len(d.Rest())
			one, all = fmt.Sprintf("%+v %d %d", *c, lines, ended), one
		}
		if one != all {
			t.Fatalf("%s\n%s", one, all)
		}
	})
}
