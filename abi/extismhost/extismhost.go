// Package extismhost runs a connector module on the stock Extism go-sdk.
//
// It shows that the module is a plain Extism plug-in, and helps programs that already embed Extism. It implements
// abi/README.md with go-sdk, net/http and encoding/json, without package host. A test compares its results with those
// of package host for every read operation.
//
// It enforces the endpoints that an operation declares with their path and query parameters, the methods of class read, the
// request headers that a module may set, one origin, no redirects, and the secret's placeholder. It removes sensitive members from responses, discards a response that
// contains the token, and stops a call when its context ends. Compared with package host, it lacks:
//
//   - Writes: every class but read is refused.
//   - Isolation from a hostile module: a module can corrupt go-sdk's message memory and WASI, or use them to hang the
//     process. Run only modules that you trust, or use package host.
//   - Limits on requests, body sizes, records, concurrency and the log. Only memory (64 MiB) and the caller's context limit
//     a call.
//   - Rate limits: it neither waits nor retries. A 429 is a response like any other.
//   - The address checks of package host: it allows private networks and plain http.
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
	"github.com/tetratelabs/wazero"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/internal/wasmbin"
)

// Config configures a Host.
type Config struct {
	BaseURL  string // requests go only to this origin
	Token    string // replaces the secret's placeholder
	Settings abi.Settings
	Client   *http.Client     // default: a client without a timeout. Redirects are never followed
	Now      func() time.Time // default time.Now
}

// Host is a loaded module. It is safe for concurrent use: each call gets its own instance.
type Host struct {
	manifest *abi.Manifest
	auth     abi.Auth
	plugin   *extism.CompiledPlugin
	config   Config
	base     *url.URL
	client   http.Client
}

// New compiles a module and reads its manifest from the custom section.
func New(ctx context.Context, wasm []byte, c Config) (*Host, error) {
	h := &Host{config: c}
	bin, err := wasmbin.Parse(wasm)
	if err != nil {
		return nil, err
	}
	sections := bin.Section(abi.ManifestSection)
	if len(sections) != 1 {
		return nil, fmt.Errorf("the module must have one section %[2]s, found %[1]d", len(sections), abi.ManifestSection)
	}
	if h.manifest, err = abi.ParseManifest(sections[0].Data, nil); err != nil {
		return nil, err
	}
	if err := h.manifest.Missing(features()); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(h.manifest.Auth, func(a abi.Auth) bool { return a.Type == abi.AuthToken })
	if i < 0 {
		return nil, errors.New("the module has no auth method token, and this host supports no other")
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
	}, extism.PluginConfig{EnableWasi: true, RuntimeConfig: wazero.NewRuntimeConfig().WithCloseOnContextDone(true)}, functions())
	return h, err
}

// Manifest returns the module's manifest.
func (h *Host) Manifest() *abi.Manifest { return h.manifest }

// Close frees the module.
func (h *Host) Close(ctx context.Context) error { return h.plugin.Close(ctx) }

// Invoke runs an operation once. output is its result: one record, or a list with its cursor. The error wraps
// ErrRefused if the operation may not run in this host.
func (h *Host) Invoke(ctx context.Context, operation string, input json.RawMessage) (out abi.InvokeOutput, output json.RawMessage, err error) {
	in := abi.InvokeInput{Operation: operation, Input: orEmpty(input), Settings: h.config.Settings, Features: features()}
	in.Now, in.Deadline = h.times(ctx)
	c, err := h.run(ctx, "invoke", operation, abi.Axon, in, &out)
	if err != nil {
		return out, nil, err
	}
	return out, c.output(out), nil
}

// Source reads one page of a source. checkpoint is the last page's, or nil to start.
func (h *Host) Source(ctx context.Context, operation string, config, checkpoint json.RawMessage) (out abi.SourceOutput, records []json.RawMessage, err error) {
	in := abi.SourceInput{Operation: operation, Config: orEmpty(config), Checkpoint: orNil(checkpoint), Settings: h.config.Settings, Features: features()}
	in.Now, in.Deadline = h.times(ctx)
	c, err := h.run(ctx, "source", operation, abi.Ingest, in, &out)
	if err != nil {
		return out, nil, err
	}
	return out, c.records(), nil
}

// Table reads one page of rows. cursor is the last page's, or "" to start. limit is the number of rows still wanted;
// 0 is unlimited.
func (h *Host) Table(ctx context.Context, operation string, input json.RawMessage, cursor string, limit int) (out abi.TableOutput, records []json.RawMessage, err error) {
	in := abi.TableInput{Operation: operation, Input: orEmpty(input), Cursor: cursor, Limit: limit, Settings: h.config.Settings, Features: features()}
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

// orEmpty returns an input, or an empty object if there is none.
func orEmpty(input json.RawMessage) json.RawMessage {
	if len(input) == 0 {
		return json.RawMessage("{}")
	}
	return input
}

// orNil returns a checkpoint, or nil if it is empty.
func orNil(checkpoint json.RawMessage) json.RawMessage {
	if len(checkpoint) == 0 {
		return nil
	}
	return checkpoint
}

// features returns the optional features that this host has. It lacks sign and emit, which only save time. It sends an announced
// read when the module makes it.
func features() []string {
	return []string{abi.FeatureWant, abi.FeatureNoRepeat, abi.FeatureKeys, abi.FeatureOmit, abi.FeaturePlan, abi.FeatureKeyed, abi.FeatureAnnounce, abi.FeatureDistinct}
}

// ErrRefused is wrapped by the error for an operation that may not run in this host.
var ErrRefused = errors.New("refused")

// run calls an export in a new instance and decodes its output.
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
