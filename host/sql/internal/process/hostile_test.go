//go:build unix

package process

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/child"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// source has one column and two rows. It counts what is asked.
type source struct{ asked []wire.Call }

func (s *source) Bind(_ context.Context, call wire.Call) (wire.TableMessage, error) {
	s.asked = append(s.asked, call)
	if call.Connection != "okta" {
		return wire.TableMessage{}, errors.New("no connection of this session")
	}
	return wire.TableMessage{Columns: []wire.Column{{Name: "x", Type: abi.Varchar}}}, nil
}

func (s *source) Plan(context.Context, wire.Call, wire.Pushed) (wire.PlanMessage, error) {
	return wire.PlanMessage{}, nil
}

func (s *source) Open(_ context.Context, call wire.Call, columns []int, _ *wire.Pushed) (wire.RowSource, error) {
	if call.Connection != "okta" || len(columns) != 1 || columns[0] != 0 {
		return nil, errors.New("no table of this session")
	}
	return &rows{}, nil
}

func (s *source) Object(context.Context, wire.Call) (json.RawMessage, error) {
	return json.RawMessage(`{"a":1}`), nil
}

type rows struct{ closed bool }

func (r *rows) Next(context.Context) (int, []byte, error) {
	return 2, wire.AppendText(wire.AppendText(nil, "a"), "b"), nil
}
func (r *rows) Close() { r.closed = true }

// running is a statement that never ends by itself.
type running struct {
	ctx    context.Context
	cancel context.CancelFunc
}

func (r running) Context() context.Context { return r.ctx }
func (r running) Answered()                {}
func (r running) Cancel()                  { r.cancel() }

// impostor is a Process whose other end the test plays. What is killed is a program that sleeps.
func impostor(t testing.TB) (c *Process, talkOut, askOut io.Writer, answers io.Reader) {
	t.Helper()
	c = &Process{options: Options{Source: &source{}, Logger: slog.New(slog.DiscardHandler), Time: time.Minute, Setup: wire.SetupMessage{Memory: 1 << 30}},
		frames: make(chan frame), dead: make(chan struct{}), memory: &child.MemoryGauge{}}
	var pipes [4][2]*os.File
	for i := range pipes {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		pipes[i] = [2]*os.File{r, w}
	}
	var err error
	if c.child, err = child.Start(child.Spec{Command: []string{"sleep", "600"}}, func(err error) {
		c.exit = err
		for _, p := range pipes {
			_, _ = p[0].Close(), p[1].Close()
		}
		close(c.dead)
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.kill(nil)
		<-c.dead
	})
	c.talk = wire.NewWriter(pipes[0][1])
	c.ready.Store(true)
	go func() { _, _ = io.Copy(io.Discard, pipes[0][0]) }() // commands
	go c.listen(pipes[1][0])
	go c.serve(wire.NewWriter(pipes[2][1]), pipes[3][0])
	return c, pipes[1][1], pipes[3][1], pipes[2][0]
}

func frameOf(kind wire.Kind, parts ...[]byte) []byte {
	var b bytes.Buffer
	_ = wire.NewWriter(&b).Send(kind, parts...) // memory takes all
	return b.Bytes()
}

func call() []byte {
	return wire.Call{Connection: "okta", Operation: "list_users", Input: "{}"}.Bytes()
}

// TestServe_DamagedQuestion_EndsTheProcess sends what no honest process sends.
func TestServe_DamagedQuestion_EndsTheProcess(t *testing.T) {
	n := wire.Number
	for name, bytes := range map[string][]byte{
		"a frame of 4 GiB":                           {byte(wire.Bind), 0xff, 0xff, 0xff, 0xff},
		"a frame over the limit":                     binary.LittleEndian.AppendUint32([]byte{byte(wire.Bind)}, wire.MaxAsk+1),
		"no number":                                  frameOf(wire.Bind, []byte{1}),
		"an unknown question":                        frameOf('?', n(1)),
		"a command":                                  frameOf(wire.Run, n(1), call()),
		"an answer":                                  frameOf(wire.Answer, n(1), call()),
		"a call without an end":                      frameOf(wire.Bind, n(1), call()[:5]),
		"a call whose argument is too long":          frameOf(wire.Object, n(1), n(1<<31), []byte("x")),
		"a call with more behind it":                 frameOf(wire.Bind, n(1), call(), []byte("x")),
		"a call over the limit":                      frameOf(wire.Object, n(1), wire.Call{Input: strings.Repeat("x", wire.MaxCall+1)}.Bytes()),
		"an open without columns":                    frameOf(wire.Open, n(1), n(1)),
		"an open with 4 billion columns":             frameOf(wire.Open, n(1), n(1), n(0xffffffff), call()),
		"a next without a scan":                      frameOf(wire.Next, n(1)),
		"a close without a scan":                     frameOf(wire.Close, n(1)),
		"an open whose call is cut short":            frameOf(wire.Open, n(1), n(1), n(1), n(0), n(0), call()[:3]),
		"an open with conditions that are cut short": frameOf(wire.Open, n(1), n(1), n(0), n(9), []byte("{}")),
		"an open with conditions that are no JSON":   frameOf(wire.Open, n(1), n(1), n(0), n(2), []byte("{]"), call()),
		"an open with conditions that are too long":  frameOf(wire.Open, n(1), n(1), n(0), n(wire.MaxPushed+1), make([]byte, wire.MaxPushed+1), call()),
		"a plan of nothing":                          frameOf(wire.Plan, n(1), n(0), call()),
		"an object whose call is empty":              frameOf(wire.Object, n(1)),
		"a bind with a length and no content":        frameOf(wire.Bind, n(1), n(10)),
	} {
		c, _, ask, _ := impostor(t)
		_, _ = ask.Write(bytes)
		select {
		case <-c.dead:
		case <-time.After(time.Minute):
			t.Errorf("%s: the process was not ended", name)
			continue
		}
		if reason := c.reason.Load(); reason == nil || !strings.Contains((*reason).Error(), "was ended, because it sent") {
			t.Errorf("%s: the reason is %v", name, reason)
		}
	}
}

// TestServe_QuestionOfAnotherSession_IsRefused: what is well formed is for the source to judge, and is bounded.
func TestServe_QuestionOfAnotherSession_IsRefused(t *testing.T) {
	c, _, ask, answers := impostor(t)
	n, in := wire.Number, wire.NewReader(answers, 1<<20)
	id := uint32(0)
	question := func(kind wire.Kind, parts ...[]byte) (wire.Kind, string) {
		t.Helper()
		id++
		if _, err := ask.Write(frameOf(kind, append([][]byte{n(id)}, parts...)...)); err != nil {
			t.Fatal(err)
		}
		answer, payload, err := in.Next()
		if err != nil {
			t.Fatal(err)
		}
		got, rest, err := wire.TakeNumber(payload)
		if err != nil || got != id {
			t.Fatalf("the answer is to question %d, %v", got, err)
		}
		return answer, string(rest)
	}
	for _, q := range []struct {
		kind  wire.Kind
		parts [][]byte
		want  wire.Kind
		text  string
	}{
		{wire.Bind, [][]byte{call()}, wire.Answer, `"Name":"x"`},
		{wire.Bind, [][]byte{wire.Call{Connection: "other"}.Bytes()}, wire.Failed, "no connection of this session"},
		{wire.Object, [][]byte{call()}, wire.Answer, "\x01{\"a\":1}"},
		{wire.Next, [][]byte{n(7)}, wire.Failed, "the scan has ended"},
		{wire.Open, [][]byte{n(7), n(1), n(5), n(0), call()}, wire.Failed, "no table"},
		{wire.Open, [][]byte{n(7), n(1), n(0), n(0), call()}, wire.Answer, ""},
		{wire.Open, [][]byte{n(7), n(1), n(0), n(0), call()}, wire.Failed, "number is taken"},
		{wire.Next, [][]byte{n(7)}, wire.Answer, "\x02\x00\x00\x00\x01"},
	} {
		if kind, text := question(q.kind, q.parts...); kind != q.want || !strings.Contains(text, q.text) {
			t.Errorf("%c %q: got %c %q, want %c %q", q.kind, q.parts, kind, text, q.want, q.text)
		}
	}
	for i := range uint32(maxScans - 1) {
		if kind, text := question(wire.Open, n(100+i), n(1), n(0), n(0), call()); kind != wire.Answer {
			t.Fatalf("scan %d: %s", i, text)
		}
	}
	if kind, text := question(wire.Open, n(9999), n(1), n(0), n(0), call()); kind != wire.Failed || !strings.Contains(text, "connector_tables at a time") {
		t.Errorf("too many scans: %c %s", kind, text)
	}
	all := c.scans.open
	c.scans.closeAll()
	for number, scan := range all {
		if !scan.rows.(*rows).closed {
			t.Errorf("scan %d was not closed", number)
		}
	}
	if kind, _ := question(wire.Next, n(7)); kind != wire.Failed {
		t.Error("a scan is used after its statement")
	}
}

// TestRun_DamagedResult_FailsTheStatement answers a statement with what no honest process answers.
func TestRun_DamagedResult_FailsTheStatement(t *testing.T) {
	head := frameOf(wire.Head, []byte(`{"Columns":[{"Name":"a"},{"Name":"b"}],"Changed":-1}`))
	row, err := wire.AppendRow(nil, []any{int64(1), "x"})
	if err != nil {
		t.Fatal(err)
	}
	join := func(all ...[]byte) []byte { return bytes.Join(all, nil) }
	for name, bytes := range map[string][]byte{
		"a frame of 4 GiB":          {byte(wire.Head), 0xff, 0xff, 0xff, 0xff},
		"rows before the head":      frameOf(wire.Rows, row),
		"completions":               frameOf(wire.Completions, []byte("[]")),
		"a damaged head":            frameOf(wire.Head, []byte("{")),
		"a damaged end":             frameOf(wire.End, []byte("[")),
		"two heads":                 join(head, head),
		"ready":                     frameOf(wire.Ready, []byte("{}")),
		"a row of 4 GiB":            join(head, frameOf(wire.Rows, []byte{0xff, 0xff, 0xff, 0xff})),
		"a row with a third value":  join(head, frameOf(wire.Rows, append(append([]byte{row[0] + 1}, row[1:]...), 'n'))),
		"a row with one value":      join(head, frameOf(wire.Rows, []byte{1, 0, 0, 0, 'n'})),
		"a value of a strange kind": join(head, frameOf(wire.Rows, []byte{2, 0, 0, 0, '?', 'n'})),
		"a text over its row":       join(head, frameOf(wire.Rows, []byte{6, 0, 0, 0, 'n', 's', 0xff, 0, 0, 0})),
		"an impossible time":        join(head, frameOf(wire.Rows, append([]byte{14, 0, 0, 0, 'n', 'z'}, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff))),
	} {
		c, talk, _, _ := impostor(t)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = talk.Write(bytes) }()
		_, err := c.Run(running{ctx, cancel}, "SELECT 1", func(_ wire.HeadMessage, all iter.Seq2[[]any, error]) error {
			for _, err := range all {
				if err != nil {
					return err
				}
			}
			return nil
		})
		cancel()
		if err == nil || !strings.Contains(err.Error(), "was ended, because it sent") || !c.Gone() {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// FuzzQuestion: whatever a process asks, the program neither panics nor takes much memory.
func FuzzQuestion(f *testing.F) {
	for _, kind := range []wire.Kind{wire.Bind, wire.Open, wire.Next, wire.Close, wire.Object, wire.Plan} {
		f.Add(byte(kind), append(append(wire.Number(1), append(wire.Number(1), wire.Number(0)...)...), call()...))
		f.Add(byte(kind), call())
	}
	c := &Process{options: Options{Source: &source{}}}
	out := wire.NewWriter(io.Discard)
	f.Fuzz(func(_ *testing.T, kind byte, payload []byte) {
		if work, err := c.question(wire.Kind(kind), payload); err == nil {
			work(answerer{out, 1})
		}
	})
}
