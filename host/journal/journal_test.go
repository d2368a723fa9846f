package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var ctx = context.Background()

func open(t *testing.T, path string, opts Options) *File {
	t.Helper()
	f, err := Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func claimed(t *testing.T, j Journal, key, fingerprint string) Claim {
	t.Helper()
	c, err := j.Claim(ctx, "okta", key, fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClaim_EarlierRun_IsPrevious(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	wrote := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	run := func(do func(Claim) error) (Entry, bool) {
		t.Helper()
		c := claimed(t, open(t, path, Options{}), "k", "deactivate ada") // opened again, as another process does
		defer c.Release()
		before, found := c.Previous()
		if err := do(c); err != nil {
			t.Fatal(err)
		}
		return before, found
	}
	dies := func(Claim) error { return nil }
	writes := func(c Claim) error { return c.Writing(ctx, wrote, Target{}) }

	if e, found := run(dies); found || e.Phase != Begun {
		t.Errorf("%+v %v", e, found)
	}
	if e, found := run(func(c Claim) error { return c.Forget(ctx) }); !found || e.Phase != Begun || !e.Wrote.IsZero() {
		t.Errorf("%+v %v", e, found)
	}
	if e, found := run(writes); found {
		t.Errorf("a forgotten key is still there: %+v", e)
	}
	later := func(c Claim) error {
		if err := c.Writing(ctx, wrote.Add(time.Hour), Target{}); err != nil {
			return err
		}
		return c.Writing(ctx, wrote.Add(2*time.Hour), Target{}) // a further write of the same run
	}
	if e, found := run(later); !found || e.Phase != Writing || !e.Wrote.Equal(wrote) {
		t.Errorf("%+v %v", e, found)
	}
	if e, _ := run(func(c Claim) error { return c.Done(ctx, json.RawMessage(`{"outcome":"succeeded"}`)) }); !e.Wrote.Equal(wrote.Add(time.Hour)) {
		t.Errorf("%+v", e)
	}
	if e, found := run(dies); !found || e.Phase != Done || string(e.Result) != `{"outcome":"succeeded"}` || e.Ended.IsZero() {
		t.Errorf("%+v %v", e, found)
	}
	if _, err := open(t, path, Options{}).Claim(ctx, "okta", "k", "deactivate alan"); !errors.Is(err, ErrOther) {
		t.Errorf("another input: %v", err)
	}
	if c, err := open(t, path, Options{}).Claim(ctx, "other org", "k", "deactivate alan"); err != nil {
		t.Errorf("another scope: %v", err)
	} else {
		c.Release()
	}
	locks, err := os.ReadDir(path + ".locks")
	if err != nil || len(locks) != 0 {
		t.Errorf("lock files remain: %v %v", locks, err)
	}
}

func TestClaim_KeyOverTTL_IsForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	now := time.Now()
	opts := Options{Now: func() time.Time { return now }}
	c := claimed(t, open(t, path, opts), "k", "a")
	if err := c.Done(ctx, json.RawMessage(`{}`)); err != nil {
		t.Fatal(err)
	}
	c.Release()
	now = now.Add(DefaultTTL - time.Second)
	c = claimed(t, open(t, path, opts), "k", "a")
	if _, found := c.Previous(); !found {
		t.Error("forgotten too early")
	}
	c.Release()
	now = now.Add(2 * time.Second)
	f := &File{path: path, opts: Options{TTL: DefaultTTL, Now: opts.Now}} // without Open, which deletes expired keys
	c = claimed(t, f, "k", "b")
	if _, found := c.Previous(); found {
		t.Error("remembered for too long")
	}
	c.Release()
	now = now.Add(DefaultTTL + time.Second)
	info, _ := os.Stat(path)
	open(t, path, opts)
	for i := range 2000 { // deleted keys make room
		now = now.Add(time.Hour)
		j := f
		if i%100 == 0 {
			j = open(t, path, opts)
		}
		if i%50 == 0 {
			c := claimed(t, j, fmt.Sprint(i), "x")
			_ = c.Done(ctx, json.RawMessage(`"`+strings.Repeat("x", 10_000)+`"`))
			c.Release()
		}
	}
	if grown, _ := os.Stat(path); grown.Size() > info.Size()+1<<20 {
		t.Errorf("the file grew from %d to %d bytes", info.Size(), grown.Size())
	}
}

func TestClaim_SameKey_IsExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	var inside, runs atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		f := open(t, path, Options{})
		wg.Go(func() {
			for range 10 {
				c, err := f.Claim(ctx, "okta", "k", "a")
				if err != nil {
					t.Error(err)
					return
				}
				if inside.Add(1) != 1 {
					t.Error("two runs have the key")
				}
				runs.Add(1)
				inside.Add(-1)
				c.Release()
			}
		})
	}
	wg.Wait()
	if runs.Load() != 80 {
		t.Errorf("%d runs", runs.Load())
	}
	held := claimed(t, open(t, path, Options{}), "k", "a")
	defer held.Release()
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := open(t, path, Options{}).Claim(short, "okta", "k", "a"); !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
	claimed(t, open(t, path, Options{}), "another", "a").Release()
}

func TestTake_Ceilings_SayHowLongToWait(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "journal"), Options{})
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	take := func(at time.Duration, most int) time.Duration {
		t.Helper()
		wait, passed, err := f.Take(ctx, "okta", []string{"write", "destructive"},
			[]Ceiling{{"write", 100, time.Minute}, {"destructive", most, time.Hour}}, start.Add(at))
		if err != nil || wait > 0 && (passed.Kind != "destructive" || passed.Most != most) {
			t.Fatalf("%v %+v", err, passed)
		}
		return wait
	}
	for i := range 3 {
		if w := take(time.Duration(i)*time.Minute, 3); w != 0 {
			t.Fatalf("write %d waits %s", i, w)
		}
	}
	for _, c := range []struct {
		name string
		at   time.Duration
		most int
		wait time.Duration
	}{
		{"full", 10 * time.Minute, 3, 50 * time.Minute},
		{"lowered: two must leave the window first", 10 * time.Minute, 2, 51 * time.Minute},
		{"lowered to one", 10 * time.Minute, 1, 52 * time.Minute},
		{"the clock went back a year", -365 * 24 * time.Hour, 3, time.Hour},
		{"a moment too early", time.Hour - time.Nanosecond, 3, time.Nanosecond},
	} {
		if w := take(c.at, c.most); w != c.wait {
			t.Errorf("%s: %s, want %s", c.name, w, c.wait)
		}
	}
	if w := take(time.Hour, 3); w != 0 {
		t.Errorf("an hour later: %s", w)
	}
	// Other scopes and kinds are not counted.
	if w, _, err := f.Take(ctx, "other", []string{"write", "destructive"}, []Ceiling{{"destructive", 1, time.Hour}}, start.Add(time.Hour)); w != 0 || err != nil {
		t.Error(w, err)
	}
	if w, _, err := f.Take(ctx, "okta", []string{"write"}, []Ceiling{{"destructive", 1, time.Hour}}, start.Add(time.Hour)); w != 0 || err != nil {
		t.Error(w, err)
	}
}

func TestTake_Concurrent_KeepsCeiling(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	var passed atomic.Int32
	var wg sync.WaitGroup
	for range 6 {
		f := open(t, path, Options{})
		wg.Go(func() {
			for range 5 {
				w, _, err := f.Take(ctx, "okta", []string{"write"}, []Ceiling{{"write", 7, time.Hour}}, time.Now())
				if err != nil {
					t.Error(err)
				}
				if w == 0 {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if passed.Load() != 7 {
		t.Errorf("%d writes passed", passed.Load())
	}
}

// TestOpen_DamagedFile_ReturnsErrDamaged garbles a journal in many ways. It is read correctly or reported as damaged. It
// never hangs, and never ends the process.
func TestOpen_DamagedFile_ReturnsErrDamaged(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "journal")
	f := open(t, whole, Options{})
	for i := range 40 {
		c := claimed(t, f, fmt.Sprint("key", i), "a")
		if err := c.Done(ctx, json.RawMessage(`"`+strings.Repeat("x", 500)+`"`)); err != nil {
			t.Fatal(err)
		}
		c.Release()
	}
	good, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	garbled := map[string][]byte{
		"a text":     []byte("connections:\n  - name: okta\n" + strings.Repeat("# a comment\n", 1000)),
		"one byte":   {0},
		"zeroes":     make([]byte, 64<<10),
		"half of it": good[:len(good)/2],
		"a page":     good[:4096],
		"a bit less": good[:len(good)-100],
	}
	for i := range 60 {
		b := append([]byte(nil), good...)
		for range 1 + random.IntN(200) {
			b[random.IntN(len(b))] ^= byte(1 + random.IntN(255))
		}
		garbled[fmt.Sprint("noise ", i)] = b
	}
	for i := range 20 { // only the first two pages have a checksum
		b := append([]byte(nil), good...)
		for range 1 + random.IntN(2000) {
			b[8192+random.IntN(len(b)-8192)] = byte(random.IntN(256))
		}
		garbled[fmt.Sprint("noise behind ", i)] = b
	}
	damaged := 0
	for name, b := range garbled {
		path := filepath.Join(t.TempDir(), "journal")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := Open(path, Options{})
		for i := 0; err == nil && i < 40; i++ {
			var c Claim
			if c, err = j.Claim(ctx, "okta", fmt.Sprint("key", i), "a"); err == nil {
				c.Release()
			}
			if errors.Is(err, ErrOther) {
				err = nil // a fingerprint was garbled
			}
		}
		if err == nil {
			continue
		}
		if damaged++; !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if damaged < 20 {
		t.Errorf("%d of %d were reported as damaged", damaged, len(garbled))
	}
	t.Logf("%d of %d were reported as damaged", damaged, len(garbled))
}

func TestOpen_NotAFile_Fails(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(file, "journal"), Options{}); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Error(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Error(err)
	}
}
