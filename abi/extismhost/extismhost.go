// Package extismhost runs a connector module on the stock Extism go-sdk.
//
// It shows that the module is a plain Extism plug-in, and it is a starting point for programs that already embed Extism. It
// implements the contract in abi/README.md with go-sdk, net/http and encoding/json, and nothing of package host. Results equal
// those of package host: a test compares them for every read operation.
//
// What it enforces: the endpoints that an operation declares, the methods of class read, one origin, no redirects, and the
// secret's placeholder. What it lacks, compared with package host:
//
//   - Writes: every class but read is refused.
//   - Isolation against a hostile module: the message memory and WASI are those of go-sdk, which a module can corrupt or use
//     to hang the process. Run only modules that you trust, or load them with package host.
//   - Limits on requests, body sizes, records, concurrency and the log. Only memory (64 MiB) and the caller's context bound
//     a call.
//   - Rate limits: no pacing, no retry. A 429 is an answer like any other.
//   - The address checks of package host: private networks and plain http are not refused.
//   - Input validation, the journal, approvals, the audit, and token rotation.
package extismhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	extism "github.com/extism/go-sdk"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// Config is what a host needs besides the module.
type Config struct {
	BaseURL  string // the only origin that requests go to
	Token    string // put in place of the secret's placeholder
	Settings abi.Settings
	Client   *http.Client     // default: a client without a time-out. Redirects are never followed
	Now      func() time.Time // default time.Now
}

// Host is a loaded module. It is safe for concurrent use: each call gets an instance of its own.
type Host struct {
	manifest *abi.Manifest
	auth     abi.Auth
	plugin   *extism.CompiledPlugin
	config   Config
	base     *url.URL
	client   http.Client
}

// New compiles a module. It reads the manifest from the module's custom section.
func New(ctx context.Context, wasm []byte, c Config) (*Host, error) {
	h := &Host{config: c}
	bin, err := wasmbin.Parse(wasm)
	if err != nil {
		return nil, err
	}
	sections := bin.Section(abi.ManifestSection)
	if len(sections) != 1 {
		return nil, fmt.Errorf("the module has %d sections %s, want one", len(sections), abi.ManifestSection)
	}
	if h.manifest, err = abi.ParseManifest(sections[0].Data, nil); err != nil {
		return nil, err
	}
	if err := h.manifest.Missing(features()); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(h.manifest.Auth, func(a abi.Auth) bool { return a.Type == abi.AuthToken })
	if i < 0 {
		return nil, errors.New("the module does not sign in with a token, which this host does alone")
	}
	h.auth = h.manifest.Auth[i]
	if h.base, err = url.Parse(c.BaseURL); err != nil || h.base.Host == "" {
		return nil, fmt.Errorf("base URL %q has no host", c.BaseURL)
	}
	if c.Client != nil {
		h.client = *c.Client
	}
	h.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if h.config.Now == nil {
		h.config.Now = time.Now
	}
	h.plugin, err = extism.NewCompiledPlugin(ctx, extism.Manifest{
		Wasm:   []extism.Wasm{extism.WasmData{Data: wasm}},
		Memory: &extism.ManifestMemory{MaxPages: 1024},
	}, extism.PluginConfig{EnableWasi: true}, functions())
	return h, err
}

// Manifest returns what the module declares.
func (h *Host) Manifest() *abi.Manifest { return h.manifest }

// Close frees the module.
func (h *Host) Close(ctx context.Context) error { return h.plugin.Close(ctx) }

// Invoke runs an operation once. output is the operation's result: one record, or a list with its cursor.
func (h *Host) Invoke(ctx context.Context, operation string, input json.RawMessage) (out abi.InvokeOutput, output json.RawMessage, err error) {
	in := abi.InvokeInput{Operation: operation, Input: input, Settings: h.config.Settings, Features: features()}
	in.Now, in.Deadline = h.times(ctx)
	c, err := h.run(ctx, "invoke", operation, abi.Axon, in, &out)
	if err != nil {
		return out, nil, err
	}
	return out, c.output(out), nil
}

// Source reads one page of a source. checkpoint is that of the last page, nil to begin.
func (h *Host) Source(ctx context.Context, operation string, config, checkpoint json.RawMessage) (out abi.SourceOutput, records []json.RawMessage, err error) {
	in := abi.SourceInput{Operation: operation, Config: config, Checkpoint: checkpoint, Settings: h.config.Settings, Features: features()}
	in.Now, in.Deadline = h.times(ctx)
	c, err := h.run(ctx, "source", operation, abi.Ingest, in, &out)
	if err != nil {
		return out, nil, err
	}
	return out, c.records(), nil
}

// Table reads one page of rows. cursor is that of the last page, "" to begin; limit is the number of rows still wanted, 0 for
// all.
func (h *Host) Table(ctx context.Context, operation string, input json.RawMessage, cursor string, limit int) (out abi.TableOutput, records []json.RawMessage, err error) {
	in := abi.TableInput{Operation: operation, Input: input, Cursor: cursor, Limit: limit, Settings: h.config.Settings, Features: features()}
	in.Now, in.Deadline = h.times(ctx)
	c, err := h.run(ctx, "table", operation, abi.SQL, in, &out)
	if err != nil {
		return out, nil, err
	}
	return out, c.records(), nil
}

func (h *Host) times(ctx context.Context) (now, deadline time.Time) {
	now = h.config.Now().UTC().Truncate(time.Millisecond)
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = now.Add(5 * time.Minute)
	}
	return now, deadline.UTC().Truncate(time.Millisecond)
}

// features returns the optional features of the ABI that this host has. Modules do without sign and emit, which save time.
func features() []string {
	return []string{abi.FeatureWant, abi.FeatureNoRepeat, abi.FeatureKeys, abi.FeatureOmit, abi.FeaturePlan, abi.FeatureKeyed}
}

// ErrRefused is wrapped when an operation may not run here.
var ErrRefused = errors.New("refused")

// run calls an export in an instance of its own, and decodes its output.
func (h *Host) run(ctx context.Context, export, operation string, surface abi.Surface, input, output any) (*call, error) {
	i := slices.IndexFunc(h.manifest.Operations, func(op abi.Operation) bool { return op.Name == operation })
	if i < 0 {
		return nil, fmt.Errorf("%w: the module has no operation %s", ErrRefused, operation)
	}
	op := &h.manifest.Operations[i]
	if op.Class != abi.Read || len(op.ClassRules) > 0 {
		return nil, fmt.Errorf("%w: %s is not of class read", ErrRefused, operation)
	}
	if !op.On(surface) {
		return nil, fmt.Errorf("%w: %s is not on the %s surface", ErrRefused, operation, surface)
	}
	text, err := json.Marshal(input)
	if err != nil {
		return nil, err
	}
	plugin, err := h.plugin.Instance(ctx, extism.PluginInstanceConfig{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = plugin.Close(context.WithoutCancel(ctx)) }()
	c := &call{host: h, op: op}
	rc, answer, err := plugin.CallWithContext(context.WithValue(ctx, callKey{}, c), export, text)
	switch {
	case err != nil:
		return nil, err
	case rc != 0:
		return nil, fmt.Errorf("%s returned %d: %s", export, rc, plugin.GetError())
	}
	return c, json.Unmarshal(answer, output)
}
