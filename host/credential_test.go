package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/hosttest/invented"
	"github.com/mach5/okta-connector/host/secrets"
)

// guarded is a service that accepts some tokens and responds 401 to all others. It records the tokens that it
// received.
type guarded struct {
	mu    sync.Mutex
	valid map[string]bool
	got   []string
	body  string
}

func (g *guarded) take(tokens ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.valid, g.got = map[string]bool{}, nil
	for _, token := range tokens {
		g.valid[token] = true
	}
}

func (g *guarded) seen() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.got, " ")
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := r.Header.Get("X-Depot-Key")
	g.mu.Lock()
	defer g.mu.Unlock()
	g.got = append(g.got, token)
	if !g.valid[token] {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"fault":{"kind":"bad_key","text":"the key is not valid"}}`)
		return
	}
	_, _ = io.WriteString(w, g.body)
}

const anItem = `{"sku":"drill-1","place":{"shelf":"A"}}`

// guardedConnection returns a connection whose token is in a file, and a function that replaces the file.
func guardedConnection(t *testing.T, content string, opts host.ConnectOptions) (c *host.Connection, g *guarded, write func(string)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	write = func(s string) {
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(content)
	g = &guarded{body: anItem}
	if opts.Secrets == nil {
		opts.Secrets = secrets.Default{}
	}
	c = hosttest.Serve(t, invented.Connector.Module(t), g, host.Config{TokenSecretRef: "file:" + path, Grants: []abi.Class{abi.Read, abi.Write, abi.Destructive}}, opts)
	return c, g, write
}

func TestToken_Rotated_IsReadAgain(t *testing.T) {
	const before, after = "00oldToken_aaaaaaaaaaaa", "00newToken_bbbbbbbbbbbb"
	for _, step := range []struct {
		name    string
		file    string // the content of the file
		valid   []string
		outcome abi.Outcome
		sent    string // tokens in order
	}{
		{"file changed, both valid", after + "\n", []string{before, after}, abi.Succeeded, after},
		{"file changed, new one not valid yet", after, []string{before}, abi.Succeeded, after + " " + before},
		{"file emptied", "", []string{before}, abi.Succeeded, before},
		{"file half written", after[:7], []string{before}, abi.Succeeded, after[:7] + " " + before},
		{"file has no valid token", "<html>\nnot a token", []string{before}, abi.Succeeded, before},
		{"file unchanged, token refused", before, nil, abi.Rejected, before},
		{"both refused", after, nil, abi.Rejected, after + " " + before},
	} {
		t.Run(step.name, func(t *testing.T) {
			c, g, write := guardedConnection(t, before, host.ConnectOptions{})
			g.take(before)
			if _, err := c.Invoke(context.Background(), "get_item", []byte(`{"sku":"drill-1"}`)); err != nil {
				t.Fatal(err)
			}
			g.take(step.valid...)
			if step.file != before {
				write(step.file)
			}
			res, _ := c.Invoke(context.Background(), "get_item", []byte(`{"sku":"drill-1"}`))
			if res.Outcome != step.outcome || g.seen() != step.sent {
				t.Errorf("%s %+v, sent %q, want %s, %q", res.Outcome, res.Error, g.seen(), step.outcome, step.sent)
			}
		})
	}
}

// The file has the new token first. The service switches afterwards.
func TestToken_ValidOnlyLater_IsUsedThen(t *testing.T) {
	const before, after = "00oldToken_aaaaaaaaaaaa", "00newToken_bbbbbbbbbbbb"
	c, g, write := guardedConnection(t, before, host.ConnectOptions{})
	ask := func(want string) {
		t.Helper()
		if _, err := c.Invoke(context.Background(), "get_item", []byte(`{"sku":"drill-1"}`)); err != nil || g.seen() != want {
			t.Errorf("%v, sent %q, want %q", err, g.seen(), want)
		}
	}
	g.take(before)
	ask(before)
	write(after)
	g.take(before)
	ask(after + " " + before)
	g.take(before)
	ask(before) // the refused token is not tried every time
	g.take(after)
	ask(before + " " + after)
	g.take(after)
	ask(after)
}

func TestToken_EnvironmentReference_IsReadAgainOn401(t *testing.T) {
	token := "00oldToken_aaaaaaaaaaaa"
	opts := host.ConnectOptions{Secrets: secrets.Default{LookupEnv: func(string) (string, bool) { return token, true }}}
	g := &guarded{body: anItem}
	c := hosttest.Serve(t, invented.Connector.Module(t), g, host.Config{}, opts)
	token = "00newToken_bbbbbbbbbbbb"
	g.take(token)
	if _, err := c.Invoke(context.Background(), "get_item", []byte(`{"sku":"drill-1"}`)); err != nil {
		t.Error(err)
	}
}

func TestReloadToken_OfABadFile_KeepsTheToken(t *testing.T) {
	const before, after = "00oldToken_aaaaaaaaaaaa", "00newToken_bbbbbbbbbbbb"
	c, g, write := guardedConnection(t, before, host.ConnectOptions{})
	for _, step := range []struct {
		file    string
		changed bool
		fails   bool
		sent    string
	}{{before, false, false, before}, {after, true, false, after}, {"", false, true, after}, {after, false, false, after}} {
		write(step.file)
		changed, err := c.ReloadToken(context.Background())
		if changed != step.changed || (err != nil) != step.fails || err != nil && !errors.Is(err, secrets.ErrUnavailable) {
			t.Errorf("%q: changed %v, %v", step.file, changed, err)
		}
		g.take(before, after)
		if _, err := c.Invoke(context.Background(), "get_item", []byte(`{"sku":"drill-1"}`)); err != nil || g.seen() != step.sent {
			t.Errorf("%q: %v, sent %q, want %q", step.file, err, g.seen(), step.sent)
		}
	}
}

// A response with a token from before the rotation must be discarded too.
func TestToken_FormerOnes_AreRedacted(t *testing.T) {
	const before, after = "00oldToken_aaaaaaaaaaaa", "00newToken_bbbbbbbbbbbb"
	c, g, write := guardedConnection(t, before, host.ConnectOptions{})
	write(after)
	g.take(after)
	for _, shown := range []string{before, after} {
		g.body = fmt.Sprintf(`{"sku":"drill-1","label":%q}`, shown)
		res, err := c.Invoke(context.Background(), "get_item", []byte(`{"sku":"drill-1"}`))
		if err == nil || strings.Contains(string(res.Output)+res.Error.Message, shown) || res.Error.Code != string(abi.SendTainted) {
			t.Errorf("%s %s %+v", res.Outcome, res.Output, res.Error)
		}
	}
}

// The connection's token cannot be read yet.
func TestAwaitToken_BrokenFile_IsUnavailableUntilRepaired(t *testing.T) {
	c, g, write := guardedConnection(t, "", host.ConnectOptions{AwaitToken: true})
	g.take("00newToken_bbbbbbbbbbbb")
	in := []byte(`{"sku":"drill-1"}`)
	res, _ := c.Invoke(context.Background(), "get_item", in)
	if res.Outcome != abi.Unavailable || !res.Error.Retryable || res.Error.Code != "token" || g.seen() != "" {
		t.Errorf("%s %+v, sent %q", res.Outcome, res.Error, g.seen())
	}
	write("00newToken_bbbbbbbbbbbb\n")
	if _, err := c.Invoke(context.Background(), "get_item", in); err != nil {
		t.Error(err)
	}
}

// resolver is a secrets.Resolver.
type resolver func(context.Context, string) (secrets.Value, error)

func (r resolver) Resolve(ctx context.Context, ref string) (secrets.Value, error) { return r(ctx, ref) }

// Neither a slow resolver nor the calls that wait for it may outlast their deadline.
func TestAwaitToken_WhileItIsRead_CallsEndInTime(t *testing.T) {
	for name, waits := range map[string]func(context.Context){
		"heeds its context":         func(ctx context.Context) { <-ctx.Done() },
		"does not heed its context": func(context.Context) { <-t.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			first := make(chan struct{}, 1)
			first <- struct{}{}
			resolve := resolver(func(ctx context.Context, _ string) (secrets.Value, error) {
				select {
				case <-first: // the first read, by Connect
				default:
					waits(ctx)
				}
				return secrets.Value{}, secrets.ErrUnavailable
			})
			c, _, _ := guardedConnection(t, "", host.ConnectOptions{Secrets: resolve, AwaitToken: true})
			for range 2 { // the second waits for the first, if its resolver still waits
				res, _ := c.Invoke(context.Background(), "get_item", []byte(`{"sku":"drill-1"}`), host.InvokeOptions{Timeout: 50 * time.Millisecond})
				if res.Outcome != abi.Unavailable || res.Error.Code != "token" || !res.Error.Retryable {
					t.Errorf("%s %+v", res.Outcome, res.Error)
				}
			}
		})
	}
}

// Run under -race.
func TestToken_RotatedUnderLoad_FailsNoCall(t *testing.T) {
	tokens := []string{"00oldToken_aaaaaaaaaaaa", "00newToken_bbbbbbbbbbbb"}
	c, g, write := guardedConnection(t, tokens[0], host.ConnectOptions{})
	g.take(tokens...)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range 20 {
				if _, err := c.Invoke(context.Background(), "get_item", []byte(`{"sku":"drill-1"}`)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 20 {
		write(tokens[i%2])
		_, _ = c.ReloadToken(context.Background()) // a file may be empty while it is written
	}
	callers.Wait()
}
