package records

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
)

// limited is a Memory with a limit. It keeps the most bytes that were held.
type limited struct{ limit, held, most int64 }

var errFull = errors.New("full")

func (m *limited) Take(n int64) error {
	if m.held+n > m.limit {
		return errFull
	}
	m.held += n
	m.most = max(m.most, m.held)
	return nil
}

func (m *limited) Give(n int64) { m.held -= n }

// TestQuery_OverTheMemory_IsAnError: a million small records take more memory than their body.
func TestQuery_OverTheMemory_IsAnError(t *testing.T) {
	body := []byte("[" + strings.Repeat("{},", 1<<20-1) + "{}]")
	for key, size := range map[string]int64{"": spanSize, "id": 2 * spanSize} {
		enough := &limited{limit: 1 << 40}
		spans, keys, err := Query{Key: key, Memory: enough}.Split(t.Context(), body, nil)
		if err != nil || len(spans) != 1<<20 || key != "" && len(keys) != len(spans) {
			t.Fatal(len(spans), len(keys), err)
		}
		if want := int64(cap(spans)) * size; enough.held != want || enough.most > 2*want {
			t.Errorf("%q: %d bytes are held and %d were, for %d", key, enough.held, enough.most, want)
		}
		if _, _, err := (Query{Key: key, Memory: &limited{limit: 1 << 20}}).Split(t.Context(), body, nil); !errors.Is(err, errFull) {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestQuery_CanceledContext_Ends(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, body := range map[string]string{
		"records": "[" + strings.Repeat("{},", stepsPerLook) + "{}]",
		"members": "[{" + strings.Repeat(`"a":1,`, stepsPerLook) + `"b":2}]`,
		"nested":  "[" + strings.Repeat("[[[1]]],", stepsPerLook) + "{}]",
	} {
		if _, _, err := (Query{}).Split(ctx, []byte(body), nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Summarise(ctx, []byte(`{"a":1}`), Span{0, 7}, []string{"a"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := WithoutKey(ctx, []byte(`{"a":1}`), []Span{{0, 7}}, nil, "a"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestWrap_OverItsLimits_IsAnError: an envelope's own text is bounded, and the body is counted before it is made.
func TestWrap_OverItsLimits_IsAnError(t *testing.T) {
	body := []byte(`{"id":"` + strings.Repeat("x", abi.MaxParent) + `"}`)
	spans := []Span{{0, len(body)}}
	memory := &limited{limit: 1 << 20}
	p, err := Wrap(t.Context(), memory, body, spans, abi.EmitOptions{Kind: strings.Repeat("k", abi.MaxKind), Parent: strings.Repeat("\x01", abi.MaxParent)})
	if err != nil {
		t.Fatal(err)
	}
	if memory.held < int64(cap(p.Body)) || memory.held > int64(cap(p.Body))+spanSize {
		t.Errorf("%d bytes are held for a body of %d", memory.held, cap(p.Body))
	}
	for name, o := range map[string]abi.EmitOptions{
		"a long kind":   {Kind: strings.Repeat("k", abi.MaxKind+1)},
		"a long parent": {Kind: "k", Parent: strings.Repeat("p", abi.MaxParent+1)},
		"a long key":    {Kind: "k", Key: "long"},
	} {
		long := []byte(`{"id":"1","long":"` + strings.Repeat("x", abi.MaxParent+1) + `"}`)
		if _, err := Wrap(t.Context(), memory, long, []Span{{0, len(long)}}, o); err == nil || !strings.Contains(err.Error(), "abi.Max") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Wrap(t.Context(), &limited{limit: 100}, body, spans, abi.EmitOptions{Kind: "k"}); !errors.Is(err, errFull) {
		t.Error(err)
	}
}

// TestWithout_OverTheMemory_IsAnError: the copies of a record are counted, and are free again afterwards.
func TestWithout_OverTheMemory_IsAnError(t *testing.T) {
	body := []byte(`[{"a":1,"b":"` + strings.Repeat("x", 10_000) + `"}]`)
	spans := []Span{{1, len(body) - 1}}
	memory := &limited{limit: 1 << 20}
	if _, _, err := Without(t.Context(), memory, body, spans, []string{"a"}); err != nil || memory.held != int64(len(body))+spanSize || memory.most < 3*10_000 {
		t.Errorf("%v, %d bytes are held, %d were", err, memory.held, memory.most)
	}
	if _, _, err := Without(t.Context(), &limited{limit: 25_000}, body, spans, []string{"a"}); !errors.Is(err, errFull) {
		t.Error(err)
	}
	none := &limited{}
	if _, _, err := Without(t.Context(), none, body, spans, []string{"c"}); err != nil {
		t.Errorf("nothing to omit: %v", err)
	}
}
