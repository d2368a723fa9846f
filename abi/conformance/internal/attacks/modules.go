package attacks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/assemble"
	"github.com/mach5/okta-connector/abi/conformance/internal/attacks/internal/declared"
	"github.com/mach5/okta-connector/abi/conformance/internal/attacks/internal/schemas"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

// moduleAttacks are modules that a host must not load.
func moduleAttacks() []kit.Attack {
	var all []kit.Attack
	refuse := func(name, wall string, wasm func() []byte) {
		all = append(all, kit.Attack{Family: "modules", Name: name, Wall: wall, Run: func(a *kit.Attempt) error {
			m, err := a.Host.Load(a.Ctx, wasm())
			if err != nil {
				return nil
			}
			defer func() { _ = m.Close(a.Ctx) }()
			return errors.New("the module was loaded")
		}})
	}
	raw := func(name, wall string, wasm string) { refuse(name, wall, func() []byte { return []byte(wasm) }) }
	asm := func(name, wall string, m assemble.Module) { refuse(name, wall, m.Build) }
	// This module is valid. All others differ from it in one thing.
	all = append(all, kit.Attack{Family: "modules", Name: "a valid module is accepted", Wall: "honest modules", Run: func(a *kit.Attempt) error {
		m, err := a.Host.Load(a.Ctx, assemble.Module{}.Build())
		if err != nil {
			return fmt.Errorf("a valid module is refused: %w", err)
		}
		return m.Close(a.Ctx)
	}})

	const format = "binary format"
	raw("nothing at all", format, "")
	raw("an executable of the machine", format, "\x7fELF\x02\x01\x01\x00")
	raw("a component", format, "\x00asm\x0d\x00\x01\x00")
	raw("only a header", format, "\x00asm\x01\x00\x00\x00")
	refuse("truncated", format, func() []byte { b := assemble.Module{}.Build(); return b[:len(b)/2] })
	asm("a section of 4 GiB", format, assemble.Module{Tail: "\x0b\xff\xff\xff\xff\x0f"})
	asm("a length spelled in six bytes", format, assemble.Module{Tail: "\x00\x80\x80\x80\x80\x80\x00"})
	asm("two code sections", format, assemble.Module{Tail: assemble.Section(10, assemble.Vec())})
	asm("an unknown section", format, assemble.Module{Tail: assemble.Section(42, "")})
	asm("more functions than bodies", format, assemble.Module{Tail: assemble.Section(3, assemble.Vec("\x00"))})
	asm("invalid code", format, assemble.Module{Invoke: "\xff"})
	asm("code that leaves a wrong stack", format, assemble.Module{Invoke: assemble.I64(0)})
	asm("a branch out of its function", format, assemble.Module{Invoke: "\x0c\x05" + assemble.I32(0)})
	asm("a call of an unknown function", format, assemble.Module{Invoke: "\x10\x63"})
	asm("a name that is not UTF-8", format, assemble.Module{Tail: assemble.Section(0, assemble.Name("\xff\xfe"))})

	const imports = "imports"
	for _, f := range []struct{ name, module, field, signature string }{
		{"Extism's own http_request", "extism:host/env", "http_request", "\x60\x02\x7e\x7e\x01\x7e"},
		{"Extism's variables, for reading", "extism:host/env", "var_get", "\x60\x01\x7e\x01\x7e"},
		{"Extism's variables, for writing", "extism:host/env", "var_set", "\x60\x02\x7e\x7e\x00"},
		{"Extism's configuration", "extism:host/env", "config_get", "\x60\x01\x7e\x01\x7e"},
		{"setting the input", "extism:host/env", "input_set", "\x60\x02\x7e\x7e\x00"},
		{"a reset of the kernel", "extism:host/env", "reset", "\x60\x00\x00"},
		{"files", "wasi_snapshot_preview1", "path_open", "\x60\x09\x7f\x7f\x7f\x7f\x7f\x7e\x7e\x7f\x7f\x01\x7f"},
		{"sockets", "wasi_snapshot_preview1", "sock_accept", "\x60\x03\x7f\x7f\x7f\x01\x7f"},
		{"an unknown function of our namespace", abi.Namespace, "exec", "\x60\x01\x7e\x01\x7e"},
		{"a namespace of its own", "env", "system", "\x60\x01\x7f\x01\x7f"},
		{"our function with another type", abi.Namespace, "http_send", "\x60\x00\x00"},
		{"JavaScript's", "gojs", "syscall/js.valueGet", "\x60\x01\x7f\x00"},
	} {
		asm("imports "+f.name, imports, assemble.Module{Types: []string{f.signature}, Imports: []string{assemble.Imported(f.module, f.field, 1)}})
	}
	asm("imports a memory", imports, assemble.Module{Imports: []string{assemble.Name("env") + assemble.Name("memory") + "\x02\x00\x01"}})
	asm("imports a global", imports, assemble.Module{Imports: []string{assemble.Name("env") + assemble.Name("g") + "\x03\x7f\x00"}})
	asm("imports a table", imports, assemble.Module{Imports: []string{assemble.Name("env") + assemble.Name("t") + "\x01\x70\x00\x01"}})

	const exports = "exports"
	asm("a start function that spins", "start section", assemble.Module{Start: true})
	asm("no invoke", exports, assemble.Module{Exports: map[string]string{"invoke": ""}})
	asm("no describe", exports, assemble.Module{Exports: map[string]string{"describe": ""}})
	asm("a memory for an export", exports, assemble.Module{Exports: map[string]string{"source": assemble.Name("source") + "\x02\x00"}})
	asm("an export with arguments", exports, assemble.Module{Types: []string{"\x60\x01\x7f\x01\x7f"},
		Imports: []string{assemble.Imported("wasi_snapshot_preview1", "fd_close", 1)}, Exports: map[string]string{"table": assemble.Name("table") + "\x00\x00"}})
	asm("an export that returns 64 bits", exports, assemble.Module{Types: []string{"\x60\x00\x01\x7e"},
		Imports: []string{assemble.Imported("extism:host/env", "input_length", 1)}, Exports: map[string]string{"table": assemble.Name("table") + "\x00\x00"}})
	asm("an export listed twice", format, assemble.Module{More: []string{assemble.Name("invoke") + "\x00\x01"}})
	asm("an export of an unknown index", format, assemble.Module{More: []string{assemble.Name("x") + "\x00\x63"}})
	asm("the host's own global for an export", "interruption", assemble.Module{Globals: []string{"\x7f\x01\x41\x00\x0b"}, More: []string{assemble.Name("mach5:interrupt") + "\x03\x00"}})

	const resources = "module resources"
	asm("no memory", resources, assemble.Module{Memories: -1})
	asm("two memories", resources, assemble.Module{Memories: 2})
	asm("a shared memory", resources, assemble.Module{Memory: "\x03\x01\x02"})
	asm("a memory of 64 bits", resources, assemble.Module{Memory: "\x04\x01"})
	asm("a table of 2^32-1 elements", resources, assemble.Module{Table: "\x70\x00\xff\xff\xff\xff\x0f"})
	asm("a table of 10 million elements", resources, assemble.Module{Table: "\x70\x00" + assemble.LEB(10_000_000)})
	asm("a hundred tables", resources, assemble.Module{Table: "\x70\x00\x01", Tables: 100})
	asm("a table that grows", resources, assemble.Module{Table: "\x70\x00\x01", Invoke: "\xd0\x70" + assemble.I32(1<<26) + "\xfc\x0f\x00"})
	asm("vector instructions", "interruption", assemble.Module{Invoke: "\xfd\x0c" + strings.Repeat("\x00", 16) + assemble.Drop + assemble.I32(0)})
	asm("atomic instructions", "interruption", assemble.Module{Invoke: "\xfe\x03\x00" + assemble.I32(0)})
	asm("tail calls", "interruption", assemble.Module{Invoke: "\x12\x00"})
	asm("an element section that says it has 2^32-1", resources, assemble.Module{Table: "\x70\x00\x01", Segments: assemble.Section(9, "\xff\xff\xff\xff\x0f")})
	asm("a data section that says it has 2^32-1", resources, assemble.Module{Tail: assemble.Section(11, "\xff\xff\xff\xff\x0f")})
	asm("elements that say they are 2^32-1", resources, assemble.Module{Table: "\x70\x00\x01", Segments: assemble.Section(9, assemble.Vec("\x00\x41\x00\x0b\xff\xff\xff\xff\x0f"))})
	asm("a data segment that says it has 4 GiB", resources, assemble.Module{Tail: assemble.Section(11, assemble.Vec("\x01\xff\xff\xff\xff\x0f"))})
	asm("a global section that says it has 2^32-1", resources, assemble.Module{GlobalSection: assemble.Section(6, "\xff\xff\xff\xff\x0f")})
	refuse("over the size of a module", resources, func() []byte {
		return assemble.Module{Tail: assemble.Custom("big", strings.Repeat("x", 80<<20))}.Build()
	})
	refuse("a million custom sections", resources, func() []byte {
		return assemble.Module{Tail: strings.Repeat(assemble.Custom("", ""), 1_000_000)}.Build()
	})

	const one = "manifest section"
	text := string(kit.Encode(kit.Manifest()))
	asm("no manifest", one, assemble.Module{NoManifest: true})
	asm("two manifests", one, assemble.Module{Manifest: []string{text, text}})
	asm("a manifest over 1 MiB", one, assemble.Module{Manifest: []string{text + strings.Repeat(" ", 1<<20)}})
	const content = "manifest content"
	asm("an empty manifest", content, assemble.Module{Manifest: []string{""}})
	asm("a manifest that is not JSON", content, assemble.Module{Manifest: []string{"{abi: mach5}"}})
	asm("a second value after the manifest", content, assemble.Module{Manifest: []string{text + `{"abi":"other"}`}})
	asm("a manifest 10,000 levels deep", content, assemble.Module{Manifest: []string{strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)}})
	change := func(name, wall string, f func(m *abi.Manifest)) {
		var m abi.Manifest
		_ = json.Unmarshal([]byte(text), &m)
		f(&m)
		asm(name, wall, assemble.Module{Manifest: []string{string(kit.Encode(m))}})
	}
	asm("an unknown field", content, assemble.Module{Manifest: []string{strings.Replace(text, "{", `{"trusted":true,`, 1)}})
	change("another ABI", content, func(m *abi.Manifest) { m.ABI = "mach5:connector/v2" })
	change("no operations", content, func(m *abi.Manifest) { m.Operations = nil })
	change("an operation listed twice", content, func(m *abi.Manifest) { m.Operations = append(m.Operations, m.Operations[0]) })
	for what, e := range map[string]abi.Account{
		"written":                  {Endpoint: abi.Endpoint{Endpoint: "POST /svc/v1/items/me", Bucket: "x"}, ID: "id"},
		"of a class that writes":   {Endpoint: abi.Endpoint{Endpoint: "GET /svc/v1/items/me", Bucket: "x", Class: abi.Write}, ID: "id"},
		"with a blank":             {Endpoint: abi.Endpoint{Endpoint: "GET /svc/v1/items/{id}", Bucket: "x"}, ID: "id"},
		"of another host":          {Endpoint: abi.Endpoint{Endpoint: "GET //elsewhere.example.com/me", Bucket: "x"}, ID: "id"},
		"without a bucket":         {Endpoint: abi.Endpoint{Endpoint: "GET /svc/v1/items/me"}, ID: "id"},
		"without an id":            {Endpoint: abi.Endpoint{Endpoint: "GET /svc/v1/items/me", Bucket: "x"}},
		"by a query as its id":     {Endpoint: abi.Endpoint{Endpoint: "GET /svc/v1/items/me", Bucket: "x"}, ID: "#(a==1)|@pretty"},
		"by a query as its name":   {Endpoint: abi.Endpoint{Endpoint: "GET /svc/v1/items/me", Bucket: "x"}, ID: "id", Name: "..a"},
		"of a class by its body":   {Endpoint: abi.Endpoint{Endpoint: "GET /svc/v1/items/me", Bucket: "x", ClassRules: []abi.ClassRule{{Field: "x", Class: abi.Read}}}, ID: "id"},
		"of the class of an input": {Endpoint: abi.Endpoint{Endpoint: "GET /svc/v1/items/me", Bucket: "x", Class: abi.ClassOfInput}, ID: "id"},
	} {
		change("an account "+what, "manifest account", func(m *abi.Manifest) { m.Account = &e })
	}
	change("an unknown class", content, func(m *abi.Manifest) { m.Operations[len(m.Operations)-1].Class = "harmless" })
	change("an unknown surface", content, func(m *abi.Manifest) { m.Operations[0].Surfaces = []abi.Surface{"root"} })
	change("a name with a path in it", content, func(m *abi.Manifest) { m.Operations[0].Name = "../read" })
	change("a key that is a query of another language", content, func(m *abi.Manifest) { m.Operations[0].Key = "#(a==1)|@pretty" })
	change("an operation on ingest without a key", content, func(m *abi.Manifest) { m.Operations[0].Key = "" })
	change("a kind with a path in it", content, func(m *abi.Manifest) { m.Kind = "../example" })
	change("an unknown feature", "required features", func(m *abi.Manifest) { m.Requires = []string{"telepathy"} })
	change("an unknown guard", "known guards", func(m *abi.Manifest) {
		m.Operations[1].Endpoints[1].Guards = []abi.Guard{{Kind: "full_moon", Read: "GET /svc/v1/items/{id}", Class: abi.Write}}
	})
	const service = "manifest service"
	change("no auth method", service, func(m *abi.Manifest) { m.Auth = nil })
	change("an unknown auth method", service, func(m *abi.Manifest) { m.Auth[0].Type = "smile" })
	change("a credential in the Host header", service, func(m *abi.Manifest) { m.Auth[0].Header = "Host" })
	change("a credential after a line break", service, func(m *abi.Manifest) { m.Auth[0].Prefix = "A\r\nX:" })
	change("cookies shown to the module", service, func(m *abi.Manifest) { m.ResponseHeaders = []string{"set-cookie"} })
	change("a credential shown to the module", service, func(m *abi.Manifest) { m.ResponseHeaders = []string{"authorization"} })
	change("the header of the credential shown to the module", service, func(m *abi.Manifest) {
		m.Auth[0].Header, m.ResponseHeaders = "X-Key", []string{"x-key"}
	})
	change("a view whose name is SQL", service, func(m *abi.Manifest) {
		m.Views = []abi.View{{Name: `a"; DROP TABLE x; --`, Operation: "read"}}
	})
	change("a view over a write", service, func(m *abi.Manifest) { m.Views = []abi.View{{Name: "a", Operation: "write"}} })
	change("members of a later minor version", service, func(m *abi.Manifest) { m.Minor = 0 })
	change("no surfaces", content, func(m *abi.Manifest) { m.Operations[0].Surfaces = nil })
	change("an unknown idempotency", content, func(m *abi.Manifest) { m.Operations[0].Idempotency = "sure" })
	asm("no input schema", content, assemble.Module{Manifest: []string{strings.Replace(text, `"input_schema":{"type":"object"},`, "", 1)}})
	asm("null as input schema", content, assemble.Module{Manifest: []string{strings.Replace(text, `"input_schema":{"type":"object"}`, `"input_schema":null`, 1)}})
	for _, c := range []struct{ name, wall, from, to string }{
		{"a class listed twice", "unique manifest members", `"class":"write"`, `"class":"privileged","class":"write"`},
		{"a class listed twice, once escaped", "unique manifest members", `"class":"write"`, `"cl\u0061ss":"privileged","class":"write"`},
		{"a keyword of a schema listed twice", "unique manifest members", `"type":"object"`, `"type":"array","type":"object"`},
		{"a class in another case", "manifest spelling", `"class":"write"`, `"class":"privileged","Class":"write"`},
		{"a kind with another letter for k", "manifest spelling", `"kind":`, `"\u212aind":"other","kind":`},
		{"a member of a later version in another case", "manifest spelling", `"kind":`, `"minor":1000000,"Kind":"other","kind":`},
		{"text that is not UTF-8", "manifest spelling", `"kind":`, "\"x-a\":\"\xff\",\"kind\":"},
		{"a number beyond all exponents", "manifest numbers", `"kind":`, `"x-a":1e999999999,"kind":`},
		{"a number of 10,000 digits", "manifest numbers", `"kind":`, `"x-a":` + strings.Repeat("9", 10_000) + `,"kind":`},
	} {
		changed := strings.Replace(text, c.from, c.to, 1)
		if strings.Contains(c.to, "1000000") {
			changed = strings.Replace(changed, fmt.Sprintf(`"minor":%d,`, abi.Minor), "", 1)
		}
		asm(c.name+" in the manifest", c.wall, assemble.Module{Manifest: []string{changed}})
	}
	for name, schema := range schemas.Expensive() {
		change(name+" as an input schema", "schema subset", func(m *abi.Manifest) { m.Operations[0].InputSchema = json.RawMessage(schema) })
		change(name+" as the schema of connections", "schema of connections", func(m *abi.Manifest) { m.ConfigSchema = json.RawMessage(schema) })
	}
	for name, f := range declared.Manifests() {
		change(name, "manifest declarations", f)
	}
	change("no endpoints", content, func(m *abi.Manifest) { m.Operations[0].Endpoints = nil })
	change("an endpoint listed twice", content, func(m *abi.Manifest) {
		m.Operations[0].Endpoints = append(m.Operations[0].Endpoints, m.Operations[0].Endpoints[0])
	})
	change("an endpoint without a bucket", content, func(m *abi.Manifest) { m.Operations[0].Endpoints[0].Bucket = "" })
	column := func(what string, columns ...abi.Column) {
		change("a column "+what, content, func(m *abi.Manifest) { m.Operations[0].Columns = columns })
	}
	column("whose name is SQL", abi.Column{Name: "a; DROP TABLE x", Type: abi.Varchar, Path: "a"})
	column("listed twice", abi.Column{Name: "a", Type: abi.Varchar, Path: "a"}, abi.Column{Name: "a", Type: abi.Varchar, Path: "b"})
	column("of an unknown type", abi.Column{Name: "a", Type: "BLOB", Path: "a"})
	const classes = "manifest classes"
	change("POST for read", classes, func(m *abi.Manifest) { m.Operations[0].Endpoints[0].Endpoint = "POST /svc/v1/items/{id}" })
	change("DELETE for write", classes, func(m *abi.Manifest) { m.Operations[1].Endpoints[0].Endpoint = "DELETE /svc/v1/items/{id}" })
	change("an unknown method", classes, func(m *abi.Manifest) { m.Operations[1].Endpoints[0].Endpoint = "QUERY /svc/v1/items/{id}" })
	change("PATCH for read", classes, func(m *abi.Manifest) { m.Operations[0].Endpoints[0].Endpoint = "PATCH /svc/v1/items/{id}" })
	change("a write for SQL", classes, func(m *abi.Manifest) { m.Operations[1].Surfaces = []abi.Surface{abi.SQL} })
	const raised = 2 // index in the operations
	change("a rule for a field that no input has", classes, func(m *abi.Manifest) { m.Operations[raised].ClassRules[0].Field = "riase" })
	change("a rule for a value that no input has", classes, func(m *abi.Manifest) { m.Operations[raised+1].ClassRules[0].Equals = "unlokc" })
	change("an endpoint without a class, although it depends on the input", classes, func(m *abi.Manifest) { m.Operations[raised].Endpoints[1].Class = "" })
	change("an endpoint of a class that no input has", classes, func(m *abi.Manifest) { m.Operations[raised].Endpoints[1].Class = abi.Privileged })
	change("an endpoint whose class does not allow its method", classes, func(m *abi.Manifest) { m.Operations[raised].Endpoints[1].Class = abi.Read })
	change("an operation of the class of its input", classes, func(m *abi.Manifest) { m.Operations[1].Class = abi.ClassOfInput })
	change("a rule of the class of its input", classes, func(m *abi.Manifest) { m.Operations[raised].ClassRules[0].Class = abi.ClassOfInput })
	change("an endpoint of the input's class, which no rule sets", classes, func(m *abi.Manifest) { m.Operations[1].Endpoints[1].Class = abi.ClassOfInput })
	change("an endpoint of the input's class, not all of which allow its method", classes, func(m *abi.Manifest) {
		m.Operations[raised].Endpoints[1].Class = abi.ClassOfInput
	})
	change("a GET of the input's class", classes, func(m *abi.Manifest) { m.Operations[raised].Endpoints[0].Class = abi.ClassOfInput })
	change("a body's rule of a class that no input has", classes, func(m *abi.Manifest) {
		m.Operations[raised+1].Endpoints[0].ClassRules[0].Class = "harmless"
	})
	change("a rule that raises a class of ingest", classes, func(m *abi.Manifest) {
		m.Operations[0].InputSchema = json.RawMessage(`{"type":"object","properties":{"x":{}}}`)
		m.Operations[0].ClassRules = []abi.ClassRule{{Field: "x", Class: abi.Privileged}}
	})
	change("a rule of an unknown class", classes, func(m *abi.Manifest) {
		m.Operations[raised].ClassRules[0].Class = "harmless"
		m.Operations[raised].Endpoints = m.Operations[raised].Endpoints[:1]
	})
	change("a write without a class, although it depends on the input", classes, func(m *abi.Manifest) { m.Operations[raised+1].Endpoints[1].Class = "" })
	change("a body's rule without a field", classes, func(m *abi.Manifest) { m.Operations[raised+1].Endpoints[0].ClassRules[0].Field = "" })
	change("a body's rule for a request without a body", classes, func(m *abi.Manifest) {
		m.Operations[raised].Endpoints[1].ClassRules = []abi.ClassRule{{Field: "x", Class: abi.Destructive}}
	})
	const endpoints, initialisation = "manifest endpoints", "initialisation"
	for name, e := range map[string]string{
		"a URL for an endpoint":             "GET https://evil.example/svc/v1/feed",
		"an endpoint of another origin":     "GET //evil.example/svc/v1/feed",
		"an endpoint with path steps":       "GET /svc/v1/../../admin",
		"an endpoint with an escape":        "GET /svc/v1/%2e%2e/admin",
		"an endpoint with a query":          "GET /svc/v1/feed?all=true",
		"an endpoint with a fragment":       "GET /svc/v1/feed#x",
		"a blank for the rest of the path":  "GET /api/{rest...}",
		"a blank within a segment":          "GET /svc/v1/items-{id}",
		"a blank listed twice":              "GET /svc/v1/{id}/{id}",
		"a line break in an endpoint":       "GET /svc/v1/feed\r\nHost: evil.example",
		"an endpoint with an empty segment": "GET /svc//feed",
		"a backslash in an endpoint":        `GET /api\..\admin`,
		"an endpoint with two methods":      "GET POST /svc/v1/feed",
		"an endpoint that is not absolute":  "GET svc/v1/feed",
	} {
		change(name, endpoints, func(m *abi.Manifest) { m.Operations[0].Endpoints[0].Endpoint = e })
	}

	// These need more than the file.
	all = append(all,
		kit.Attack{Family: "modules", Name: "an initial memory over the limit", Wall: resources, Run: func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{Wasm: assemble.Module{Memory: "\x00\x80\x80\x03"}.Build()}) // 3 GiB
			if err != nil {
				return nil
			}
			res, err := r.Run("read")
			if err != nil {
				return err
			}
			return res.Ended(abi.Failed)
		}},
		kit.Attack{Family: "modules", Name: "an initialisation that spins", Wall: initialisation, Run: func(a *kit.Attempt) error {
			m := assemble.Module{Initialise: assemble.Loop("")}
			r, err := a.NewRig(kit.RigOptions{Wasm: m.Build(), Limits: target.Limits{CallTimeout: 500 * time.Millisecond}})
			if err != nil {
				return nil
			}
			res, err := r.Run("read")
			if err != nil {
				return err
			}
			return res.Ended(abi.Failed, abi.Unavailable)
		}},
		kit.Attack{Family: "modules", Name: "an initialisation that spins now and then", Wall: initialisation, Run: spinsSometimes},
		kit.Attack{Family: "modules", Name: "an initialisation that spins while others wait", Wall: initialisation, Run: spinsForOthers},
		kit.Attack{Family: "modules", Name: "a schema that refers to a file", Wall: "schema subset", Run: refers("file:///etc/passwd")},
		kit.Attack{Family: "modules", Name: "a schema that refers to the network", Wall: "schema subset", Run: refers("http://127.0.0.1:9/schema.json")},
		kit.Attack{Family: "modules", Name: "an endless schema", Wall: "schema subset", Run: func(a *kit.Attempt) error {
			_, err := checked(a, `{"type":"object","properties":{"steps":{"$ref":"#/properties/steps"}}}`)
			return err // any outcome is fine, if it ends
		}},
		kit.Attack{Family: "modules", Name: "a pattern that backtracks", Wall: "schema subset", Run: func(a *kit.Attempt) error {
			return schema(a, `{"type":"object","additionalProperties":{"type":"string","pattern":"^(a+)+$"}}`)
		}},
	)
	return all
}

func refers(url string) func(*kit.Attempt) error {
	return func(a *kit.Attempt) error {
		return schema(a, `{"type":"object","properties":{"steps":{"$ref":"`+url+`"}}}`)
	}
}

// schema checks an input against a hostile schema. The host must refuse the module or the call, and not run the
// operation.
func schema(a *kit.Attempt, text string) error {
	res, err := checked(a, text)
	if err != nil || res == nil {
		return err
	}
	return errors.Join(res.Ended(abi.Invalid, abi.Failed), res.Saw())
}

// checked checks an input against a hostile schema. It returns nil if the host refuses the module.
func checked(a *kit.Attempt, text string) (*kit.Result, error) {
	m := kit.Manifest()
	m.Operations[0].InputSchema = json.RawMessage(text)
	module := messenger(assemble.Module{Manifest: []string{string(kit.Encode(m))}})
	module.Invoke = respond(`{"outcome":"succeeded"}`) + assemble.I32(0)
	r, err := a.NewRig(kit.RigOptions{Wasm: module.Build()})
	if err != nil {
		return nil, nil
	}
	return r.RunInput("read", `{"steps":[],"a":"`+strings.Repeat("a", 100_000)+`!"}`)
}

// spinsSometimes runs a module that needs a new instance for each call and whose initialisation loops in half of them. A call
// may fail for it. The calls after it must find an instance, and other sessions of the module must not wait.
func spinsSometimes(a *kit.Attempt) error {
	m := messenger(assemble.Module{Table: "\x70\x00\x01"})
	m.Types = append(m.Types, "\x60\x02\x7f\x7f\x01\x7f")
	m.Imports = append(m.Imports, assemble.Imported("wasi_snapshot_preview1", "random_get", 3))
	const change = "\xd0\x70\x26\x00" // table.set: state that no snapshot holds
	m.Invoke = assemble.I32(0) + change + respond(`{"outcome":"succeeded"}`) + assemble.I32(0)
	m.Initialise = assemble.I32(0) + assemble.I32(1) + "\x10\x03" + assemble.Drop + // random_get(0, 1)
		assemble.I32(0) + "\x2d\x00\x00" + assemble.I32(128) + "\x49\x04\x40" + // if load8_u(0) < 128
		assemble.Loop("") + assemble.End + assemble.I32(0)
	var rigs [2]*kit.Rig
	module, err := a.Host.Load(a.Ctx, m.Build())
	if err != nil {
		return nil // a host may refuse such a module
	}
	a.Later(func() { _ = module.Close(context.WithoutCancel(a.Ctx)) })
	for i := range rigs {
		rigs[i], err = a.NewRig(kit.RigOptions{Module: module, Limits: target.Limits{CallTimeout: 300 * time.Millisecond, Concurrency: 1}})
		if err != nil {
			return err
		}
	}
	for _, r := range rigs {
		for good, bad := 0, 0; good < 5; {
			res, err := r.Run("read")
			if err != nil {
				return err
			}
			if res.Outcome == abi.Succeeded {
				good, bad = good+1, 0
				continue
			}
			if err := res.Ended(abi.Failed, abi.Unavailable); err != nil {
				return err
			}
			if bad++; bad == 30 { // by chance: once in a billion times
				return fmt.Errorf("%d calls in a row did not run, after %d that did: %s", bad, good, kit.Short(string(res.JSON)))
			}
		}
	}
	return nil
}

// spinsForOthers has one caller wait for an initialisation that loops. Another, with less time, must be answered first.
func spinsForOthers(a *kit.Attempt) error {
	module, err := a.Host.Load(a.Ctx, assemble.Module{Initialise: assemble.Loop("")}.Build())
	if err != nil {
		return nil
	}
	a.Later(func() { _ = module.Close(context.WithoutCancel(a.Ctx)) })
	patient, err := a.NewRig(kit.RigOptions{Module: module, Limits: target.Limits{CallTimeout: a.Patience}})
	if err != nil {
		return err
	}
	other, err := a.NewRig(kit.RigOptions{Module: module, Limits: target.Limits{CallTimeout: 300 * time.Millisecond}})
	if err != nil {
		return err
	}
	ctx, giveUp := context.WithCancel(a.Ctx)
	ended := make(chan error, 1)
	go func() {
		_, err := patient.Invoke(ctx, "read", []byte(`{}`))
		ended <- err
	}()
	defer func() { giveUp(); <-ended }()
	time.Sleep(200 * time.Millisecond) // the patient call begins; if it does not, the attack proves less
	if _, err := other.Run("read"); err != nil {
		return err
	}
	select {
	case err := <-ended:
		ended <- err
		return fmt.Errorf("a call of 300 ms was answered after one of %v (%v)", a.Patience, err)
	default:
		return nil
	}
}
