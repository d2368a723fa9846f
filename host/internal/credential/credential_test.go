package credential

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/secrets"
)

// file is a resolver whose secret changes.
type file struct {
	mu     sync.Mutex
	token  string
	stamp  string
	reads  int
	during func(ctx context.Context) // runs in each read
}

func (f *file) Resolve(ctx context.Context, _ string) (secrets.Value, error) {
	f.mu.Lock()
	token, during := f.token, f.during
	f.reads++
	f.mu.Unlock()
	if during != nil {
		during(ctx)
	}
	if token == "" {
		return secrets.Value{}, secrets.ErrUnavailable
	}
	return secrets.New(token), nil
}

func (f *file) Stamp(string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stamp
}

func (f *file) set(token, stamp string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.token, f.stamp = token, stamp
}

const first, second = "00firstToken0123456789", "00secondToken0123456789"

func newCredential(f *file) *Credential { return New(f, "file:x", slog.New(slog.DiscardHandler)) }

func TestRefresh_UnchangedStamp_ReadsOnce(t *testing.T) {
	f := &file{token: first, stamp: "1"}
	c := newCredential(f)
	for range 3 {
		if token, err := c.Refresh(t.Context()); err != nil || token.Reveal() != first {
			t.Fatal(token, err)
		}
	}
	f.set(second, "2")
	if token, _ := c.Refresh(t.Context()); token.Reveal() != second || f.reads != 2 {
		t.Errorf("%d reads", f.reads)
	}
	f.set("", "3")
	if token, err := c.Refresh(t.Context()); err != nil || token.Reveal() != second {
		t.Errorf("an empty file: %v", err)
	}
	for _, token := range []string{first, second} {
		if !c.Shows("x"+token) || !c.ShowsIn([]byte(token+"x")) {
			t.Error("a token that was used is not recognised")
		}
	}
	if c.Shows("another") {
		t.Error("another text is recognised")
	}
}

func TestAfter401_OfUntriedTokens_PrefersTheReference(t *testing.T) {
	f := &file{token: first, stamp: "1"}
	c := newCredential(f)
	token, err := c.Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Accept(token, false)
	if _, ok := c.After401(t.Context(), []secrets.Value{token}); ok {
		t.Error("a tried token is returned")
	}
	f.set(second, "2")
	next, ok := c.After401(t.Context(), []secrets.Value{token})
	if !ok || next.Reveal() != second {
		t.Error("the new token is not returned")
	}
	back, ok := c.After401(t.Context(), []secrets.Value{next})
	if !ok || back.Reveal() != first {
		t.Error("the accepted token is not returned")
	}
	c.Accept(back, true)
	if now, _ := c.Refresh(t.Context()); now.Reveal() != first {
		t.Error("the accepted token is not used from now on")
	}
}

// TestRefresh_WhileAnotherReads_EndsWithItsContext: the resolver of the first read does not return.
func TestRefresh_WhileAnotherReads_EndsWithItsContext(t *testing.T) {
	reading, release := make(chan struct{}), make(chan struct{})
	f := &file{stamp: "1", during: func(context.Context) {
		reading <- struct{}{}
		<-release
	}}
	c := newCredential(f)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := c.Refresh(ctx)
		ended <- err
	}()
	<-reading
	waiting, giveUp := context.WithCancel(t.Context())
	giveUp()
	if _, err := c.Refresh(waiting); !errors.Is(err, context.Canceled) {
		t.Errorf("the one that waits: %v", err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the one that reads: %v", err)
	}
	f.mu.Lock()
	f.during = nil
	f.mu.Unlock()
	f.set(first, "2")
	close(release)
	if token, err := c.Refresh(t.Context()); err != nil || token.Reveal() != first {
		t.Errorf("afterwards: %v", err)
	}
}

// Run under -race.
func TestCredential_UsedByMany_LosesNoUpdate(t *testing.T) {
	f := &file{token: first, stamp: "1"}
	c := newCredential(f)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				token, err := c.Refresh(context.Background())
				if err != nil {
					t.Error(err)
				}
				c.Accept(token, i%2 == 0)
				_, _ = c.Reload(context.Background())
			}
		})
	}
	wg.Wait()
	if s := c.state.Load(); s.accepted.Reveal() != first || len(s.known) != 1 {
		t.Errorf("%d known tokens", len(s.known))
	}
}

func TestPlaceholder_AnywhereInARequest_IsFound(t *testing.T) {
	p := NewPlaceholder()
	text := string(p)
	for name, req := range map[string]abi.Request{
		"path":         {Path: map[string]string{"id": "x" + text}},
		"query":        {Query: [][2]string{{"q", text}}},
		"query name":   {Query: [][2]string{{text, "q"}}},
		"header":       {Headers: map[string]string{"X": text}},
		"link":         {Link: "/x?" + text},
		"body":         {Body: []byte(`{"a":"` + text + `"}`)},
		"escaped link": {Link: "/x?%7B" + text[1:]},
	} {
		if !p.In(&req) {
			t.Errorf("%s: not found", name)
		}
		if NewPlaceholder().In(&req) {
			t.Errorf("%s: another placeholder is found", name)
		}
	}
}

func TestStart_WithAnUnchangedStamp_ReadsNothing(t *testing.T) {
	f := &file{token: second, stamp: "1"}
	c := Start(f, "file:x", secrets.New(first), slog.New(slog.DiscardHandler))
	if token, err := c.Refresh(t.Context()); err != nil || token.Reveal() != first || f.reads != 0 {
		t.Errorf("%d reads, %v", f.reads, err)
	}
	f.set(second, "2")
	if token, err := c.Refresh(t.Context()); err != nil || token.Reveal() != second || len(c.Known()) != 2 {
		t.Errorf("after a change: %d known values, %v", len(c.Known()), err)
	}
}
