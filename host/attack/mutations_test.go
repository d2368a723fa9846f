package attack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// edit takes the place of one text in a file of the host.
type edit struct{ file, old, new string }

// mutation takes out a wall. Its edits go into a copy of the files that Go's -overlay shows to the compiler, so that the
// host itself has no door through which a wall could be taken out. DOWN stands for "this wall is down".
type mutation struct {
	wall  string // of conformance.Attack
	edits []edit
}

// walls are the walls that can be taken out.
var walls = []mutation{
	// Loading.
	{"imports", []edit{{"host/allowlist.go", `		if !ok {
			return fmt.Errorf("it imports %s.%s, which`, `		if DOWN {
			continue
		}
		if !ok {
			return fmt.Errorf("it imports %s.%s, which`}}},
	{"start section", []edit{{"host/allowlist.go", `if bin.HasStart {`, `if bin.HasStart && !DOWN {`}}},
	{"exports", []edit{{"host/allowlist.go", `		if !found {
			return`, `		if !found && !DOWN {
			return`}}},
	{"manifest section", []edit{{"host/load.go", `if len(raw) > abi.MaxManifestSize {`, `if len(raw) > abi.MaxManifestSize && !DOWN {`}}},
	{"manifest content", []edit{{"host/load.go", `	dec.DisallowUnknownFields()
	if err := dec.Decode(m.manifest); err != nil {`, `	if !DOWN {
		dec.DisallowUnknownFields()
	}
	if err := dec.Decode(m.manifest); err != nil {`}}},
	{"manifest classes", []edit{{"abi/manifest.go", `			if len(o.ClassRules) > 0 || o.Class != Read {`, `			if (len(o.ClassRules) > 0 || o.Class != Read) && !DOWN {`}}},
	{"manifest endpoints", []edit{{"abi/manifest.go", `		case strings.Trim(seg, plainSegment) != "":`, `		case strings.Trim(seg, plainSegment) != "" && !DOWN:`}}},
	{"binary format", []edit{{"internal/wasmbin/reader.go", `	if !utf8.Valid(r.b[from:to]) {`, `	if !utf8.Valid(r.b[from:to]) && !DOWN {`}}},
	{"module resources", []edit{{"internal/wasmbin/interrupt.go", `if s.err == nil && total > MaxTable {`, `if s.err == nil && total > MaxTable && !DOWN {`},
		{"internal/wasmbin/interrupt.go", `		if m.numbers < 0 {
			return 0, false
		}`, `		if m.numbers < 0 {
			if !DOWN {
				return 0, false
			}
			m.numbers = 1
		}`}}},
	{"schema loading", []edit{{"host/schema.go", `	c.UseLoader(nothing{})`, `	if !DOWN {
		c.UseLoader(nothing{})
	} else {
		c.UseLoader(anything{})
	}`}, {"host/schema.go", `func (nothing) Load(`, `type anything struct{}

func (anything) Load(string) (any, error) { return map[string]any{}, nil }

func (nothing) Load(`}}},

	{"connection files", []edit{{"host/connections/parse.go", `		if i < 0 {
			return c, at(`, `		if i < 0 && DOWN {
			continue
		}
		if i < 0 {
			return c, at(`}}},

	// What an input, an operation and a grant allow.
	{"input shape", []edit{{"host/schema.go", `if depth(input) > maxInputDepth {`, `if depth(input) > maxInputDepth && !DOWN {`},
		{"host/schema.go", `if len(input) > MaxInput {`, `if len(input) > MaxInput && !DOWN {`}, {"host/schema.go", `	if !ok {
		return nil, fmt.Errorf(`, `	if DOWN {
		return fields, nil
	}
	if !ok {
		return nil, fmt.Errorf(`}}},
	{"input schema", []edit{{"host/schema.go", `if err := schema.Validate(doc); err != nil {`, `if err := schema.Validate(doc); err != nil && !DOWN {`}}},
	{"one meaning", []edit{{"host/schema.go", `if key, twice := twin(input); twice {`, `if key, twice := twin(input); twice && !DOWN {`}}},
	{"checkpoints", []edit{{"host/source.go", `if len(checkpoint) > MaxCheckpoint ||`, `if !DOWN && len(checkpoint) > MaxCheckpoint ||`}}},
	{"class grants", []edit{{"host/invoke.go", `if !c.granted(class) {`, `if !c.granted(class) && !DOWN {`}}},
	{"class in force", []edit{{"host/class.go", `	case class != abi.Read && class != c.class || !c.class.Allows(e.Method()):`,
		`	case !DOWN && class != abi.Read && class != c.class || !c.class.Allows(e.Method()):`}}},
	{"class of a body", []edit{{"host/class.go", `	if len(e.ClassRules) == 0 ||`, `	if DOWN || len(e.ClassRules) == 0 ||`}}},
	{"surfaces", []edit{{"host/invoke.go", `if !op.On(surface) {`, `if !op.On(surface) && !DOWN {`},
		{"host/invoke.go", `if surface != abi.Axon && class != abi.Read {`, `if surface != abi.Axon && class != abi.Read && !DOWN {`}}},
	{"endpoint grants", []edit{{"host/class.go", `	e := c.op.granted[req.Endpoint]
`, `	e := c.op.granted[req.Endpoint]
	if e == nil && DOWN {
		for _, op := range c.conn.module.byName {
			if e = op.granted[req.Endpoint]; e != nil {
				return e, nil
			}
		}
	}
`}}},

	// Requests.
	{"blanks", []edit{{"abi/values.go", `		case steps(v):`, `		case steps(v) && !DOWN:`}}},
	{"links", []edit{{"host/egress/template.go", `	if u.User != nil || u.Opaque`, `	if !DOWN && u.User != nil || u.Opaque`}}},
	{"queries", []edit{{"abi/values.go", `	if hasControl(v) {`, `	if hasControl(v) && !DOWN {`}}},
	{"headers", []edit{{"host/egress/request.go", `		case !slices.Contains(abi.RequestHeaders(), canonical):`, `		case !slices.Contains(abi.RequestHeaders(), canonical) && !DOWN:`}}},
	{"bodies", []edit{{"host/egress/request.go", `if req.method == http.MethodGet || req.method == http.MethodDelete {`, `if !DOWN && (req.method == http.MethodGet || req.method == http.MethodDelete) {`}}},
	{"requests", []edit{{"host/call.go", `	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil {`, `	if !DOWN {
		dec.DisallowUnknownFields()
	}
	if err := dec.Decode(&req); err != nil {`}}},
	{"token in one header", []edit{{"host/token.go", `if c.placeholder != "" && c.mentions(req) {`, `if c.placeholder != "" && c.mentions(req) && !DOWN {`}}},
	{"fresh placeholders", []edit{{"host/token.go", `		_, _ = rand.Read(b[:]) // never fails`, `		if !DOWN {
			_, _ = rand.Read(b[:])
		}`}}},
	{"answers that hold the token", []edit{{"host/token.go", `func (c *call) holdsToken(b []byte) bool { return `, `func (c *call) holdsToken(b []byte) bool { return !DOWN && `}}},
	{"secrets by name", []edit{{"host/token.go", `	if ref != abi.TokenRef {`, `	if ref != abi.TokenRef && !DOWN {`}}},
	{"violations end a call", []edit{{"host/invoke.go", `	case run.violation != nil:
		res.Outcome`, `	case run.violation != nil && !DOWN:
		res.Outcome`}}},

	// The network.
	{"base URL", []edit{{"host/egress/baseurl.go", `	case u.User != nil:`, `	case u.User != nil && !DOWN:`}}},
	{"redirects", []edit{{"host/egress/attempt.go", `	switch resp.StatusCode {
	case 301,`, `	code := resp.StatusCode
	if DOWN {
		code = 200
	}
	switch code {
	case 301,`}}},
	{"private addresses", []edit{{"host/egress/dial.go", `if c.AllowPrivateNetwork || public(a)`, `if DOWN || c.AllowPrivateNetwork || public(a)`}}},
	{"judged address", []edit{{"host/egress/dial.go", `		conn, err := race(ctx, dial, network, judged)`, `		if again, err := resolve(ctx, lookup, host); DOWN && err == nil {
			judged = []string{net.JoinHostPort(again[0].String(), port)}
		}
		conn, err := race(ctx, dial, network, judged)`}}},
	{"certificates", []edit{{"host/egress/client.go", `MinVersion: tls.VersionTLS12}`, `MinVersion: tls.VersionTLS12, InsecureSkipVerify: DOWN}`}}},
	{"headers of answers", []edit{{"host/egress/client.go", `	for _, name := range abi.ResponseHeaders() {`, `	names := abi.ResponseHeaders()
	if DOWN {
		names = append(names, "set-cookie", "x-internal")
	}
	for _, name := range names {`}}},
	{"body limit", []edit{{"host/egress/buffer.go", `	if expected > limit {`, `	if DOWN {
		limit = 1 << 40
	}
	if expected > limit {`}}},
	{"body encoding", []edit{{"host/egress/attempt.go", `	default:
		return nil, errEncoding
	}
	z,`, `	default:
		if DOWN {
			return readBuffer(resp.Body, resp.ContentLength, c.config.MaxBody)
		}
		return nil, errEncoding
	}
	z,`}}},
	{"protocol", []edit{{"host/egress/attempt.go", `	case http.StatusSwitchingProtocols:`, `	case http.StatusSwitchingProtocols + 900*wallDownNumber("WALL"):`}}},
	{"repeats", []edit{{"host/egress/send.go", `		repeat := repeatable(sendErr.Code) && !sendErr.Lasting && (s.request.read() || !sendErr.Sent)`, `		repeat := repeatable(sendErr.Code) && !sendErr.Lasting && (s.request.read() || !sendErr.Sent || DOWN)`}}},

	// What the module can reach in the host.
	{"message bounds", []edit{{"host/kernel.go", `	if !k.inside(uint64(offset), 8) {
		return false
	}`, `	if !k.inside(uint64(offset), 8) {
		return DOWN
	}`}}},
	{"message size", []edit{{"host/imports.go", `	if n > maxMessage {
		return nil`, `	if n > maxMessage {
		if DOWN {
			return []byte(` + "`" + `{"endpoint":"GET /api/v1/logs"}` + "`" + `)
		}
		return nil`}}},
	{"answer size", []edit{{"host/instance.go", `	case k.output.length > maxMessage:`, `	case k.output.length > maxMessage && !DOWN:`}}},
	{"answers", []edit{{"host/invoke.go", `	case json.Unmarshal(raw, &out) != nil || !out.Outcome.Valid() || !out.Outcome.OK() && out.Error == nil:`,
		`	case json.Unmarshal(raw, &out) != nil && !DOWN:`}}},
	{"handles", []edit{{"host/call.go", `	if handle == 0 || handle > uint64(len(c.bodies)) {
		return nil
	}
	b := `, `	if handle == 0 || handle > uint64(len(c.bodies)) {
		if DOWN {
			return []byte("body of another call")
		}
		return nil
	}
	b := `}}},
	{"body bounds", []edit{{"host/egress/buffer.go", `	return b.b[:len(b.b):len(b.b)]`, `	if DOWN {
		return b.b[:cap(b.b)]
	}
	return b.b[:len(b.b):len(b.b)]`}}},
	{"emit options", []edit{{"host/emit.go", `	if len(o.Summarise) > abi.MaxPaths || len(o.Omit) > abi.MaxPaths {`, `	if !DOWN && (len(o.Summarise) > abi.MaxPaths || len(o.Omit) > abi.MaxPaths) {`}}},
	{"emit once", []edit{{"host/emit.go", `		if spans[0].Start < c.taken[handle] {`, `		if spans[0].Start < c.taken[handle] && !DOWN {`}}},
	{"record shape", []edit{{"host/emit.go", `	if err != nil || len(spans) != 1 || raw[spans[0].Start] != '{' {`, `	if (err != nil || len(spans) != 1 || raw[spans[0].Start] != '{') && (!DOWN || len(spans) == 0) {`}}},
	{"whole JSON", []edit{{"host/emit.go", `	if b.searched = true; !<-clean {`, `	if DOWN && err != nil {
		spans, keys, err = []records.Span{{Start: 0, End: b.buffer.Len()}}, make([]records.Span, 1), nil
	}
	if b.searched = true; !<-clean {`}}},
	{"no output", []edit{{"host/wasi.go", `			return put(in, s[3], uint64(n))`, `			if DOWN {
				return wasiFault
			}
			return put(in, s[3], uint64(n))`}}},
	{"no files", []edit{{"host/wasi.go", `	bad := func(*instance, []uint64) uint64 { return wasiBadFD }`, `	bad := func(*instance, []uint64) uint64 {
		if DOWN {
			return wasiOK
		}
		return wasiBadFD
	}`}}},
	{"cursors", []edit{{"host/source.go", `out.Outcome.OK() && len(out.Checkpoint) == 0:`, `out.Outcome.OK() && len(out.Checkpoint) == 0 && !DOWN:`},
		{"host/source.go", `	case out.Outcome.OK() && !out.CaughtUp && bytes.Equal(`, `	case !DOWN && out.Outcome.OK() && !out.CaughtUp && bytes.Equal(`}}},

	// Time, memory and the rest.
	{"deadline", []edit{{"internal/wasmbin/interrupt.go", `	b := op(nil, 0x24, moves) `, `	if DOWN {
		return nil
	}
	b := op(nil, 0x24, moves) `}}},
	{"waiting", []edit{{"host/imports.go", `ok && time.Until(deadline) < d {`, `ok && time.Until(deadline) < d && !DOWN {`}, {"host/imports.go", `	if c.conn.opts.Sleep(ctx, d) != nil {
		return 0
	}`, `	if c.conn.opts.Sleep(ctx, d) != nil && !DOWN {
		return 0
	}`}}},
	{"requests limit", []edit{{"host/call.go", `c.sends > c.conn.limits.Requests {`, `c.sends > c.conn.limits.Requests && !DOWN {`}}},
	{"records limit", []edit{{"host/emit.go", `	if c.records+records > c.conn.limits.Records {`, `	if c.records+records > c.conn.limits.Records && !DOWN {`}}},
	{"result_bytes limit", []edit{{"host/emit.go", `	if c.bytes+bytes > c.conn.limits.ResultBytes {`, `	if c.bytes+bytes > c.conn.limits.ResultBytes && !DOWN {`}}},
	{"memory_bytes limit", []edit{{"host/memory.go", `	if size > l.limit {`, `	if size > l.limit && !DOWN {`}}},
	{"memory of messages", []edit{{"host/kernel.go", `	if n == 0 || n > uint64(k.limit) {
		return 0
	}`, `	if n == 0 || n > uint64(k.limit) {
		if DOWN {
			return kernelBase
		}
		return 0
	}`}}},
	{"concurrency limit", []edit{{"host/pool.go", `slots: make(chan struct{}, limits.Concurrency)}`, `slots: make(chan struct{}, limits.Concurrency+wallDownNumber("WALL"))}`}}},
	{"log limit", []edit{{"host/call.go", `	return c.logged <= limit`, `	return c.logged <= limit || DOWN`}}},

	// Isolation.
	{"restored memory", []edit{{"host/memory.go", `if img.closed || !in.memory.restore(img) {`, `if img.closed || !DOWN && !in.memory.restore(img) {`}}},
	{"grown memory", []edit{{"host/memory_linux.go", `func (l *linear) restore(img *image) bool {
	if l.size != img.size {
		return false
	}`, `func (l *linear) restore(img *image) bool {
	if l.size != img.size {
		return DOWN
	}`}}},
	{"restored globals", []edit{{"host/memory.go", `		g.Set(img.globals[i])`, `		if !DOWN {
			g.Set(img.globals[i])
		}`}}},
	{"state elsewhere", []edit{{"host/instance.go", `	if m.state.Elsewhere {`, `	if m.state.Elsewhere && !DOWN {`}}},
	{"messages of one call", []edit{{"host/kernel.go", `	clear(k.buf)
`, `	if DOWN && k.buf != nil {
		return
	}
	clear(k.buf)
`}, {"host/memory.go", `	in.stderr.buf = in.stderr.buf[:0]`, `	if !DOWN {
		in.stderr.buf = in.stderr.buf[:0]
	}`}}},
	{"clocks", []edit{{"host/memory.go", `	in.ticks = img.ticks`, `	if !DOWN || in.image == nil {
		in.ticks = img.ticks
	}`}}},
	{"instances that failed", []edit{{"host/pool.go", `	p.release(in, err == nil)`, `	if DOWN {
		p.mu.Lock()
		p.idle = append(p.idle, in)
		p.mu.Unlock()
		<-p.slots
		return out, err
	}
	p.release(in, err == nil)`}}},
}

// notTaken are the walls of the kit that no edit takes out, with the reason.
var notTaken = map[string]string{
	"honest modules":     "no wall: they show that the kit's attacks begin from what is taken",
	"books of messages":  "the books are Go's: there is nothing to take out short of Extism's own kernel, which hung the process",
	"traps":              "a trap is wazero's, and so is what it leaves alone",
	"stack":              "wazero's",
	"interruption":       "what cannot be instrumented would not compile either",
	"operations":         "a name that is not in the manifest has nothing behind it",
	"whole answers":      "net/http's",
	"strange JSON":       "what must be endured, not refused",
	"pacing":             "what must be endured, not refused",
	"no input":           "there is none to give",
	"no environment":     "there is none to give",
	"descriptors":        "there are none that could be closed",
	"memory limit":       "taken out as memory_bytes limit: without it these attacks would eat the machine",
	"body_bytes limit":   "taken out as body limit",
	"call_seconds limit": "taken out in host/walls_test.go's stead by deadline: without it the process would never end",
}

// build writes the overlay and the test binary in which every wall can be taken out.
func build(t *testing.T, root string) (binary string) {
	t.Helper()
	dir := t.TempDir()
	texts := map[string]string{}
	for _, w := range walls {
		for _, e := range w.edits {
			text, ok := texts[e.file]
			if !ok {
				b, err := os.ReadFile(filepath.Join(root, e.file))
				if err != nil {
					t.Fatal(err)
				}
				text = string(b)
			}
			if n := strings.Count(text, e.old); n != 1 {
				t.Fatalf("the wall %q: %s has this text %d times, want once; it has moved, and the mutation has to follow:\n%s", w.wall, e.file, n, e.old)
			}
			down := strings.NewReplacer("DOWN", fmt.Sprintf("wallDown(%q)", w.wall), `"WALL"`, fmt.Sprintf("%q", w.wall))
			texts[e.file] = strings.Replace(text, e.old, down.Replace(e.new), 1)
		}
	}
	replace := map[string]string{}
	put := func(file, text string) {
		path := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(root, file)] = path
	}
	packages := map[string]bool{}
	clause := regexp.MustCompile(`(?m)^package (\w+)`)
	for file, text := range texts {
		put(file, text)
		if folder := filepath.Dir(file); !packages[folder] {
			packages[folder] = true
			put(folder+"/wall_down.go", "package "+clause.FindStringSubmatch(text)[1]+`

import "os"

func wallDown(wall string) bool { return os.Getenv("ATTACK_WALL_DOWN") == wall }

func wallDownNumber(wall string) int {
	if wallDown(wall) {
		return 1
	}
	return 0
}

var _ = wallDownNumber
`)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	put("overlay.json", string(overlay))
	binary = filepath.Join(dir, "attack.test")
	cmd := exec.Command("go", "test", "-c", "-overlay", replace[filepath.Join(root, "overlay.json")], "-o", binary, ".")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the host without walls: %v\n%s", err, text)
	}
	return binary
}

// TestMutations takes each wall out, one at a time, and wants an attack on it to get through.
func TestMutations(t *testing.T) {
	if os.Getenv("ATTACK_WALL") != "" {
		t.Skip("this is a mutant")
	}
	if testing.Short() {
		t.Skip("builds the host a second time, and attacks it once for each wall")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	inKit := map[string]bool{}
	for _, a := range everyAttack() {
		inKit[a.Wall] = true
	}
	known := map[string]bool{}
	for _, w := range walls {
		known[w.wall] = true
		if !inKit[w.wall] {
			t.Errorf("no attack is on the wall %q", w.wall)
		}
	}
	for wall := range inKit {
		if !known[wall] && notTaken[wall] == "" {
			t.Errorf("the wall %q is attacked and never taken out", wall)
		}
	}
	binary := build(t, root)
	caught := 0
	for _, w := range walls {
		t.Run(w.wall, func(t *testing.T) {
			began := time.Now()
			// With every wall in its place no attack may get through, or a mutant would prove nothing: TestAttack sees to that.
			cmd := exec.Command(binary, "-test.run", "^TestAttack$", "-test.v", "-test.timeout", "60s")
			cmd.Env = append(os.Environ(), "ATTACK_WALL="+w.wall, "ATTACK_WALL_DOWN="+w.wall)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Errorf("every attack on the wall was contained without it: the attacks prove nothing about it\n%s", out)
				return
			}
			if bytes.Contains(out, []byte("panic: test timed out")) { // slow is not caught
				t.Errorf("the mutant ran out of time: %v\n%.4000s", err, out)
				return
			}
			if !bytes.Contains(out, []byte("did not hold")) && !bytes.Contains(out, []byte("did not end")) && !bytes.Contains(out, []byte("panic: ")) {
				t.Errorf("the mutant died of something else: %v\n%s", err, out)
				return
			}
			caught++
			t.Logf("%d attacks got through, %v", bytes.Count(out, []byte("did not hold")), time.Since(began).Round(time.Millisecond))
		})
	}
	fmt.Printf("walls %d, taken out one by one %d, caught %d (%d are not this host's to take out: notTaken)\n",
		len(inKit)-1, len(walls), caught, len(inKit)-1-len(walls))
}
