package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// SoundModule is the smallest module that a host takes: for attacks of a host's own.
func SoundModule() []byte { return assembly{}.build() }

// moduleAttacks are modules that a host must not load.
func moduleAttacks() []Attack {
	var all []Attack
	refuse := func(name, wall string, wasm func() []byte) {
		all = append(all, Attack{Family: "modules", Name: name, Wall: wall, run: func(a *attempt) error {
			m, err := a.host.Load(a.ctx, wasm())
			if err != nil {
				return nil
			}
			defer func() { _ = m.Close(a.ctx) }()
			return errors.New("the module was loaded")
		}})
	}
	raw := func(name, wall string, wasm string) { refuse(name, wall, func() []byte { return []byte(wasm) }) }
	asm := func(name, wall string, m assembly) { refuse(name, wall, m.build) }
	// Every other module here differs from this one, which is sound, in one thing.
	all = append(all, Attack{Family: "modules", Name: "a sound module is taken", Wall: "honest modules", run: func(a *attempt) error {
		m, err := a.host.Load(a.ctx, assembly{}.build())
		if err != nil {
			return fmt.Errorf("a sound module is refused: %w", err)
		}
		return m.Close(a.ctx)
	}})

	const format = "binary format"
	raw("nothing at all", format, "")
	raw("an executable of the machine", format, "\x7fELF\x02\x01\x01\x00")
	raw("a component", format, "\x00asm\x0d\x00\x01\x00")
	raw("a header alone", format, "\x00asm\x01\x00\x00\x00")
	refuse("cut in the middle", format, func() []byte { b := assembly{}.build(); return b[:len(b)/2] })
	asm("a section of 4 GiB", format, assembly{tail: "\x0b\xff\xff\xff\xff\x0f"})
	asm("a length spelled in six bytes", format, assembly{tail: "\x00\x80\x80\x80\x80\x80\x00"})
	asm("two code sections", format, assembly{tail: section(10, vec())})
	asm("a section that nobody knows", format, assembly{tail: section(42, "")})
	asm("more functions than bodies", format, assembly{tail: section(3, vec("\x00"))})
	asm("code that is no code", format, assembly{invoke: "\xff"})
	asm("code that leaves its function's stack wrong", format, assembly{invoke: i64(0)})
	asm("a branch out of its function", format, assembly{invoke: "\x0c\x05" + i32(0)})
	asm("a call of a function that is not there", format, assembly{invoke: "\x10\x63"})
	asm("a name that is not UTF-8", format, assembly{tail: section(0, name("\xff\xfe"))})

	const imports = "imports"
	for _, f := range []struct{ name, module, field, signature string }{
		{"Extism's own http_request", "extism:host/env", "http_request", "\x60\x02\x7e\x7e\x01\x7e"},
		{"Extism's variables, to be read", "extism:host/env", "var_get", "\x60\x01\x7e\x01\x7e"},
		{"Extism's variables, to be written", "extism:host/env", "var_set", "\x60\x02\x7e\x7e\x00"},
		{"Extism's configuration", "extism:host/env", "config_get", "\x60\x01\x7e\x01\x7e"},
		{"the input's place", "extism:host/env", "input_set", "\x60\x02\x7e\x7e\x00"},
		{"a reset of the kernel", "extism:host/env", "reset", "\x60\x00\x00"},
		{"files", "wasi_snapshot_preview1", "path_open", "\x60\x09\x7f\x7f\x7f\x7f\x7f\x7e\x7e\x7f\x7f\x01\x7f"},
		{"sockets", "wasi_snapshot_preview1", "sock_accept", "\x60\x03\x7f\x7f\x7f\x01\x7f"},
		{"a function of our namespace that is not there", abi.Namespace, "exec", "\x60\x01\x7e\x01\x7e"},
		{"a namespace of its own", "env", "system", "\x60\x01\x7f\x01\x7f"},
		{"our function with another type", abi.Namespace, "http_send", "\x60\x00\x00"},
		{"JavaScript's", "gojs", "syscall/js.valueGet", "\x60\x01\x7f\x00"},
	} {
		asm("imports "+f.name, imports, assembly{types: []string{f.signature}, imports: []string{imported(f.module, f.field, 1)}})
	}
	asm("imports a memory", imports, assembly{imports: []string{name("env") + name("memory") + "\x02\x00\x01"}})
	asm("imports a global", imports, assembly{imports: []string{name("env") + name("g") + "\x03\x7f\x00"}})
	asm("imports a table", imports, assembly{imports: []string{name("env") + name("t") + "\x01\x70\x00\x01"}})

	const exports = "exports"
	asm("a start function that spins", "start section", assembly{start: true})
	asm("no invoke", exports, assembly{exports: map[string]string{"invoke": ""}})
	asm("no describe", exports, assembly{exports: map[string]string{"describe": ""}})
	asm("a memory for an export", exports, assembly{exports: map[string]string{"source": name("source") + "\x02\x00"}})
	asm("an export that wants arguments", exports, assembly{types: []string{"\x60\x01\x7f\x01\x7f"},
		imports: []string{imported("wasi_snapshot_preview1", "fd_close", 1)}, exports: map[string]string{"table": name("table") + "\x00\x00"}})
	asm("an export that answers 64 bits", exports, assembly{types: []string{"\x60\x00\x01\x7e"},
		imports: []string{imported("extism:host/env", "input_length", 1)}, exports: map[string]string{"table": name("table") + "\x00\x00"}})
	asm("an export that stands twice", format, assembly{more: []string{name("invoke") + "\x00\x01"}})
	asm("an export of an index that is not there", format, assembly{more: []string{name("x") + "\x00\x63"}})
	asm("the host's own global for an export", "interruption", assembly{globals: []string{"\x7f\x01\x41\x00\x0b"}, more: []string{name("mach5:interrupt") + "\x03\x00"}})

	const resources = "module resources"
	asm("no memory", resources, assembly{memories: -1})
	asm("two memories", resources, assembly{memories: 2})
	asm("a memory that is shared", resources, assembly{memory: "\x03\x01\x02"})
	asm("a memory of 64 bits", resources, assembly{memory: "\x04\x01"})
	asm("a table of 2^32-1 elements", resources, assembly{table: "\x70\x00\xff\xff\xff\xff\x0f"})
	asm("a table of 10 million elements", resources, assembly{table: "\x70\x00" + leb(10_000_000)})
	asm("a hundred tables", resources, assembly{table: "\x70\x00\x01", tables: 100})
	asm("a table that grows", resources, assembly{table: "\x70\x00\x01", invoke: "\xd0\x70" + i32(1<<26) + "\xfc\x0f\x00"})
	asm("vector instructions", "interruption", assembly{invoke: "\xfd\x0c" + strings.Repeat("\x00", 16) + drop + i32(0)})
	asm("atomic instructions", "interruption", assembly{invoke: "\xfe\x03\x00" + i32(0)})
	asm("tail calls", "interruption", assembly{invoke: "\x12\x00"})
	asm("an element section that says it has 2^32-1", resources, assembly{table: "\x70\x00\x01", segments: section(9, "\xff\xff\xff\xff\x0f")})
	asm("a data section that says it has 2^32-1", resources, assembly{tail: section(11, "\xff\xff\xff\xff\x0f")})
	asm("elements that say they are 2^32-1", resources, assembly{table: "\x70\x00\x01", segments: section(9, vec("\x00\x41\x00\x0b\xff\xff\xff\xff\x0f"))})
	asm("a data segment that says it has 4 GiB", resources, assembly{tail: section(11, vec("\x01\xff\xff\xff\xff\x0f"))})
	asm("a global section that says it has 2^32-1", resources, assembly{globalSection: section(6, "\xff\xff\xff\xff\x0f")})
	refuse("over the size of a module", resources, func() []byte {
		return assembly{tail: custom("big", strings.Repeat("x", 80<<20))}.build()
	})
	refuse("a million custom sections", resources, func() []byte {
		return assembly{tail: strings.Repeat(custom("", ""), 1_000_000)}.build()
	})

	const one = "manifest section"
	text := string(encode(manifest()))
	asm("no manifest", one, assembly{noManif: true})
	asm("two manifests", one, assembly{manifest: []string{text, text}})
	asm("a manifest over 1 MiB", one, assembly{manifest: []string{text + strings.Repeat(" ", 1<<20)}})
	const content = "manifest content"
	asm("an empty manifest", content, assembly{manifest: []string{""}})
	asm("a manifest that is no JSON", content, assembly{manifest: []string{"{abi: mach5}"}})
	asm("a second value behind the manifest", content, assembly{manifest: []string{text + `{"abi":"other"}`}})
	asm("a manifest 10,000 levels deep", content, assembly{manifest: []string{strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)}})
	change := func(name, wall string, f func(m *abi.Manifest)) {
		var m abi.Manifest
		_ = json.Unmarshal([]byte(text), &m)
		f(&m)
		asm(name, wall, assembly{manifest: []string{string(encode(m))}})
	}
	asm("a field that the ABI does not have", content, assembly{manifest: []string{strings.Replace(text, "{", `{"trusted":true,`, 1)}})
	change("another ABI", content, func(m *abi.Manifest) { m.ABI = "mach5:connector/v2" })
	change("no operations", content, func(m *abi.Manifest) { m.Operations = nil })
	change("an operation that stands twice", content, func(m *abi.Manifest) { m.Operations = append(m.Operations, m.Operations[0]) })
	for what, e := range map[string]abi.Account{
		"written":                  {Endpoint: abi.Endpoint{Endpoint: "POST /api/v1/users/me", Bucket: "x"}, ID: "id"},
		"of a class that writes":   {Endpoint: abi.Endpoint{Endpoint: "GET /api/v1/users/me", Bucket: "x", Class: abi.Write}, ID: "id"},
		"of somebody":              {Endpoint: abi.Endpoint{Endpoint: "GET /api/v1/users/{id}", Bucket: "x"}, ID: "id"},
		"of another host":          {Endpoint: abi.Endpoint{Endpoint: "GET //elsewhere.example.com/me", Bucket: "x"}, ID: "id"},
		"of no rate limit":         {Endpoint: abi.Endpoint{Endpoint: "GET /api/v1/users/me"}, ID: "id"},
		"without an id":            {Endpoint: abi.Endpoint{Endpoint: "GET /api/v1/users/me", Bucket: "x"}},
		"by a query as its id":     {Endpoint: abi.Endpoint{Endpoint: "GET /api/v1/users/me", Bucket: "x"}, ID: "#(a==1)|@pretty"},
		"by a query as its name":   {Endpoint: abi.Endpoint{Endpoint: "GET /api/v1/users/me", Bucket: "x"}, ID: "id", Name: "..a"},
		"of a class by its body":   {Endpoint: abi.Endpoint{Endpoint: "GET /api/v1/users/me", Bucket: "x", ClassRules: []abi.ClassRule{{Field: "x", Class: abi.Read}}}, ID: "id"},
		"of the class of an input": {Endpoint: abi.Endpoint{Endpoint: "GET /api/v1/users/me", Bucket: "x", Class: abi.ClassOfInput}, ID: "id"},
	} {
		change("an account "+what, "manifest account", func(m *abi.Manifest) { m.Account = &e })
	}
	change("a class that nobody knows", content, func(m *abi.Manifest) { m.Operations[len(m.Operations)-1].Class = "harmless" })
	change("a surface that nobody knows", content, func(m *abi.Manifest) { m.Operations[0].Surfaces = []abi.Surface{"root"} })
	change("a name with a path in it", content, func(m *abi.Manifest) { m.Operations[0].Name = "../read" })
	change("a key that is a query of another language", content, func(m *abi.Manifest) { m.Operations[0].Key = "#(a==1)|@pretty" })
	change("a kind with a path in it", content, func(m *abi.Manifest) { m.Kind = "../example" })
	change("a feature that no host has", "required features", func(m *abi.Manifest) { m.Requires = []string{"telepathy"} })
	change("a guard that nobody knows", "known guards", func(m *abi.Manifest) {
		m.Operations[1].Endpoints[1].Guards = []abi.Guard{{Kind: "full_moon", Read: "GET /api/v1/users/{id}", Class: abi.Write}}
	})
	const service = "manifest service"
	change("no way to sign in", service, func(m *abi.Manifest) { m.Auth = nil })
	change("a way to sign in that nobody knows", service, func(m *abi.Manifest) { m.Auth[0].Type = "smile" })
	change("a credential in the Host header", service, func(m *abi.Manifest) { m.Auth[0].Header = "Host" })
	change("a credential behind a line break", service, func(m *abi.Manifest) { m.Auth[0].Prefix = "A\r\nX:" })
	change("cookies that the module may see", service, func(m *abi.Manifest) { m.ResponseHeaders = []string{"set-cookie"} })
	change("a credential that the module may see", service, func(m *abi.Manifest) { m.ResponseHeaders = []string{"authorization"} })
	change("a view whose name is SQL", service, func(m *abi.Manifest) {
		m.Views = []abi.View{{Name: `a"; DROP TABLE x; --`, Operation: "read"}}
	})
	change("a view over a write", service, func(m *abi.Manifest) { m.Views = []abi.View{{Name: "a", Operation: "write"}} })
	change("members of a minor version that it does not state", service, func(m *abi.Manifest) { m.Minor = 0 })
	change("no surfaces", content, func(m *abi.Manifest) { m.Operations[0].Surfaces = nil })
	change("an idempotency that nobody knows", content, func(m *abi.Manifest) { m.Operations[0].Idempotency = "sure" })
	asm("no schema of the input", content, assembly{manifest: []string{strings.Replace(text, `"input_schema":{"type":"object"},`, "", 1)}})
	asm("null for a schema of the input", content, assembly{manifest: []string{strings.Replace(text, `"input_schema":{"type":"object"}`, `"input_schema":null`, 1)}})
	change("no endpoints", content, func(m *abi.Manifest) { m.Operations[0].Endpoints = nil })
	change("an endpoint that stands twice", content, func(m *abi.Manifest) {
		m.Operations[0].Endpoints = append(m.Operations[0].Endpoints, m.Operations[0].Endpoints[0])
	})
	change("an endpoint that counts against no rate limit", content, func(m *abi.Manifest) { m.Operations[0].Endpoints[0].Bucket = "" })
	column := func(what string, columns ...abi.Column) {
		change("a column "+what, content, func(m *abi.Manifest) { m.Operations[0].Columns = columns })
	}
	column("whose name is SQL", abi.Column{Name: "a; DROP TABLE x", Type: abi.Varchar, Path: "a"})
	column("that stands twice", abi.Column{Name: "a", Type: abi.Varchar, Path: "a"}, abi.Column{Name: "a", Type: abi.Varchar, Path: "b"})
	column("of a type that nobody knows", abi.Column{Name: "a", Type: "BLOB", Path: "a"})
	const classes = "manifest classes"
	change("POST for read", classes, func(m *abi.Manifest) { m.Operations[0].Endpoints[0].Endpoint = "POST /api/v1/users/{id}" })
	change("DELETE for write", classes, func(m *abi.Manifest) { m.Operations[1].Endpoints[0].Endpoint = "DELETE /api/v1/users/{id}" })
	change("a method that nobody lists", classes, func(m *abi.Manifest) { m.Operations[1].Endpoints[0].Endpoint = "QUERY /api/v1/users/{id}" })
	change("PATCH for read", classes, func(m *abi.Manifest) { m.Operations[0].Endpoints[0].Endpoint = "PATCH /api/v1/users/{id}" })
	change("a write for SQL", classes, func(m *abi.Manifest) { m.Operations[1].Surfaces = []abi.Surface{abi.SQL} })
	const raised = 2 // of the operations
	change("a rule for a field that no input has", classes, func(m *abi.Manifest) { m.Operations[raised].ClassRules[0].Field = "riase" })
	change("a rule for a value that no input has", classes, func(m *abi.Manifest) { m.Operations[raised+1].ClassRules[0].Equals = "unlokc" })
	change("an endpoint without a class where that depends on the input", classes, func(m *abi.Manifest) { m.Operations[raised].Endpoints[1].Class = "" })
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
	change("a rule of a class that nobody knows", classes, func(m *abi.Manifest) {
		m.Operations[raised].ClassRules[0].Class = "harmless"
		m.Operations[raised].Endpoints = m.Operations[raised].Endpoints[:1]
	})
	change("a write without a class where that depends on the input", classes, func(m *abi.Manifest) { m.Operations[raised+1].Endpoints[1].Class = "" })
	change("a body's rule about nothing", classes, func(m *abi.Manifest) { m.Operations[raised+1].Endpoints[0].ClassRules[0].Field = "" })
	change("a body's rule where there is no body", classes, func(m *abi.Manifest) {
		m.Operations[raised].Endpoints[1].ClassRules = []abi.ClassRule{{Field: "x", Class: abi.Destructive}}
	})
	const endpoints = "manifest endpoints"
	for name, e := range map[string]string{
		"a URL for an endpoint":               "GET https://evil.example/api/v1/logs",
		"an endpoint of another origin":       "GET //evil.example/api/v1/logs",
		"an endpoint with path steps":         "GET /api/v1/../../admin",
		"an endpoint with an escape":          "GET /api/v1/%2e%2e/admin",
		"an endpoint with a query":            "GET /api/v1/logs?all=true",
		"an endpoint with a fragment":         "GET /api/v1/logs#x",
		"a blank for all that follows":        "GET /api/{rest...}",
		"a blank within a segment":            "GET /api/v1/users-{id}",
		"a blank that stands twice":           "GET /api/v1/{id}/{id}",
		"a line break in an endpoint":         "GET /api/v1/logs\r\nHost: evil.example",
		"an endpoint with an empty segment":   "GET /api//logs",
		"a backslash in an endpoint":          `GET /api\..\admin`,
		"an endpoint with two methods":        "GET POST /api/v1/logs",
		"an endpoint that is not an absolute": "GET api/v1/logs",
	} {
		change(name, endpoints, func(m *abi.Manifest) { m.Operations[0].Endpoints[0].Endpoint = e })
	}

	// What cannot be told from the file alone.
	all = append(all,
		Attack{Family: "modules", Name: "a memory that begins over the limit", Wall: resources, run: func(a *attempt) error {
			r, err := a.session(rigOptions{wasm: assembly{memory: "\x00\x80\x80\x03"}.build()}) // 3 GiB
			if err != nil {
				return nil
			}
			res, err := r.invoke("read")
			if err != nil {
				return err
			}
			return res.ended(abi.Failed)
		}},
		Attack{Family: "modules", Name: "an initialisation that spins", Wall: "deadline", run: func(a *attempt) error {
			m := assembly{invoke: loop("")}
			m.exports = map[string]string{"describe": name("describe") + "\x00\x01"}
			m.types, m.more = nil, []string{name("_initialize") + "\x00\x00"}
			r, err := a.session(rigOptions{wasm: m.build(), limits: Limits{CallTimeout: 500 * time.Millisecond}})
			if err != nil {
				return nil
			}
			res, err := r.invoke("read")
			if err != nil {
				return err
			}
			return res.ended(abi.Failed, abi.Unavailable)
		}},
		Attack{Family: "modules", Name: "a schema that refers to a file", Wall: "schema loading", run: refers("file:///etc/passwd")},
		Attack{Family: "modules", Name: "a schema that refers to the network", Wall: "schema loading", run: refers("http://127.0.0.1:9/schema.json")},
		Attack{Family: "modules", Name: "a schema without an end", Wall: "schema loading", run: func(a *attempt) error {
			_, err := checked(a, `{"type":"object","properties":{"steps":{"$ref":"#/properties/steps"}}}`)
			return err // it ends, whatever it means
		}},
		Attack{Family: "modules", Name: "a pattern that backtracks", Wall: "schema loading", run: func(a *attempt) error {
			return schema(a, `{"type":"object","additionalProperties":{"type":"string","pattern":"^(a+)+$"}}`)
		}},
	)
	return all
}

func refers(url string) func(*attempt) error {
	return func(a *attempt) error {
		return schema(a, `{"type":"object","properties":{"steps":{"$ref":"`+url+`"}}}`)
	}
}

// schema has an input checked against a hostile schema: the module is refused, or the call is. It must not run.
func schema(a *attempt, text string) error {
	res, err := checked(a, text)
	if err != nil || res == nil {
		return err
	}
	return errors.Join(res.ended(abi.Invalid, abi.Failed), res.saw())
}

// checked has an input checked against a hostile schema; the result is nil when the module is refused for it.
func checked(a *attempt, text string) (*result, error) {
	m := manifest()
	m.Operations[0].InputSchema = json.RawMessage(text)
	module := messenger(assembly{manifest: []string{string(encode(m))}})
	module.invoke = respond(`{"outcome":"succeeded"}`) + i32(0)
	r, err := a.session(rigOptions{wasm: module.build()})
	if err != nil {
		return nil, nil
	}
	return r.invokeRaw("read", `{"steps":[],"a":"`+strings.Repeat("a", 100_000)+`!"}`)
}
