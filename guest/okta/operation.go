// Package okta holds the operations of the Okta connector, one file an Okta resource: a table that says what each
// operation is, and the few functions that a table cannot express.
//
// It is plain Go that builds and tests natively; guest/ makes a Wasm module of it.
package okta

import (
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Kind and Version name the module.
const (
	Kind    = "okta"
	Version = "0.1.0"
)

// operation is one row of a resource's table. What it does is one of get, list, pages and do; an operation on the
// ingest surface has a source besides.
type operation struct {
	name        string
	summary     string
	class       abi.Class
	rules       []abi.ClassRule
	surfaces    []abi.Surface
	idempotency abi.Idempotency
	inputs      []input
	require     string // further keywords of the input's JSON Schema, as members of an object
	example     string
	key         string // path of a record's key
	columns     []column
	endpoints   []abi.Endpoint

	get    *get               // one object behind one endpoint
	list   *list              // records behind one endpoint
	pages  pager              // records that no single list gives
	do     func(*call) result // anything else that ends in one object
	source func(*call, checkpoint) page
}

// input is one field of an operation's input.
type input struct {
	name     string
	required bool
	schema   string // JSON Schema of the value
}

// column is one typed column. The table of every SQL operation ends in another, `record`: the whole JSON.
type column struct {
	name        string
	typ         abi.ColumnType
	path        string // several are joined by |: the first at which there is something counts
	description string
}

// Inputs that appear in many operations.
var (
	userInput   = loginInput("user", "the user's id or login")
	targetInput = loginInput("user", "the user's id or whole login: not the part before the @, and not me")

	limitInput = input{"limit", false,
		`{"type":"integer","minimum":1,"maximum":100000,"default":1000,"description":"most records in total"}`}
	cursorInput = input{"cursor", false,
		`{"type":"string","minLength":1,"maxLength":16384,"description":"the next_cursor of an earlier result"}`}
	pageSize200 = input{"page_size", false,
		`{"type":"integer","minimum":1,"maximum":200,"description":"records a request; default the connection's default_page_size, else 200"}`}
)

// The surfaces that an operation can have.
var (
	axon          = []abi.Surface{abi.Axon}
	axonSQL       = []abi.Surface{abi.Axon, abi.SQL}
	axonIngestSQL = []abi.Surface{abi.Axon, abi.Ingest, abi.SQL}
)

// tables are all operations, by resource.
func tables() [][]operation {
	return [][]operation{orgOperations, logOperations, userOperations, groupOperations, applicationOperations,
		factorOperations, authenticatorOperations, deviceOperations, sessionOperations, policyOperations, zoneOperations,
		authorizationServerOperations, clientOperations, roleOperations, inventoryOperations}
}

// operations concatenates the tables.
func operations() []*operation {
	var all []*operation
	for _, t := range tables() {
		for i := range t {
			all = append(all, &t[i])
		}
	}
	return all
}

func find(name string) *operation {
	for _, t := range tables() {
		for i := range t {
			if t[i].name == name {
				return &t[i]
			}
		}
	}
	return nil
}

const configSchema = `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,` +
	`"required":["name","kind","base_url","token_secret_ref"],"properties":{` +
	`"name":{"type":"string","pattern":"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"},` +
	`"kind":{"const":"okta"},` +
	`"base_url":{"type":"string","format":"uri","description":"the org's origin: https://example.okta.com"},` +
	`"token_secret_ref":{"type":"string","pattern":"^(env|file):.+","description":"where the API token is: env:NAME or file:PATH"},` +
	`"default_page_size":{"type":"integer","minimum":1,"maximum":1000,"description":"records a request where the input does not say; default what the endpoint allows"},` +
	`"initial_lookback_seconds":{"type":"integer","minimum":1,"maximum":7776000,"default":86400},` +
	`"rate_limit_share":{"type":"number","exclusiveMinimum":0,"maximum":1,"default":0.9,"description":"part of each of Okta's rate limits that this connection uses at most"},` +
	`"max_writes_per_minute":{"type":"integer","minimum":1,"maximum":100000},` +
	`"max_destructive_per_hour":{"type":"integer","minimum":1,"maximum":100000},` +
	`"approve":{"type":"array","uniqueItems":true,"items":{"enum":["write","destructive","privileged"]},"description":"classes whose writes are approved one by one"},` +
	`"grants":{"type":"array","uniqueItems":true,"items":{"enum":["read","write","destructive","privileged"]},"default":["read"]},` +
	`"limits":{"type":"object","additionalProperties":false,"description":"bounds of each call","properties":{` +
	`"call_seconds":{"type":"integer","minimum":1,"maximum":86400,"default":300},` +
	`"requests":{"type":"integer","minimum":1,"maximum":1000000,"default":2000},` +
	`"request_seconds":{"type":"integer","minimum":1,"maximum":3600,"default":60},` +
	`"body_bytes":{"type":"integer","minimum":1024,"maximum":1073741824,"default":67108864},` +
	`"held_bytes":{"type":"integer","minimum":1024,"maximum":1099511627776,"default":536870912},` +
	`"result_bytes":{"type":"integer","minimum":1024,"maximum":1099511627776,"default":268435456},` +
	`"records":{"type":"integer","minimum":1,"maximum":100000000,"default":100000},` +
	`"memory_bytes":{"type":"integer","minimum":4194304,"maximum":1073741824,"default":67108864},` +
	`"concurrency":{"type":"integer","minimum":1,"maximum":1000,"default":16},` +
	`"log_bytes":{"type":"integer","minimum":1024,"maximum":1073741824,"default":65536}}},` +
	`"allow_private_network":{"type":"boolean","default":false}}}`

// Manifest is the module's manifest: what the describe export answers and what the custom section holds.
func Manifest() []byte {
	var ops []byte
	for i, op := range operations() {
		ops = append(ops, "[,"[min(i, 1)])
		ops = append(ops, op.manifest()...)
	}
	var m jsonval.Writer
	m.Str("abi", abi.Version).Str("kind", Kind).Str("version", Version)
	m.Raw("config_schema", configSchema)
	m.Raw("rate_limit_headers",
		`{"limit":"X-Rate-Limit-Limit","remaining":"X-Rate-Limit-Remaining","reset":"X-Rate-Limit-Reset"}`)
	m.Raw("rate_limit_errors", `{"code":"errorCode","summary":"errorSummary","buckets":["`+bucketLimit+`"],"wait":"wait ([0-9]+) seconds?"}`)
	m.Raw("account", account())
	m.Raw("operations", string(ops)+"]")
	return []byte(m.String())
}

func (op *operation) manifest() string {
	var w jsonval.Writer
	w.Str("name", op.name).Str("summary", op.summary).Str("class", string(op.class))
	if len(op.rules) > 0 {
		w.Raw("class_rules", array(op.rules, classRule))
	}
	w.Raw("surfaces", array(op.surfaces, func(s abi.Surface) string { return jsonval.Quote(string(s)) }))
	w.Str("idempotency", string(op.idempotency)).Raw("input_schema", op.schema()).RawIf("example", op.example)
	if op.on(abi.SQL) {
		columns := append(op.columns[:len(op.columns):len(op.columns)],
			column{"record", abi.JSON, "", "the whole record as Okta gave it"})
		w.Raw("columns", array(columns, func(c column) string {
			var w jsonval.Writer
			paths := strings.Split(c.path, "|")
			w.Str("name", c.name).Str("type", string(c.typ)).Str("path", paths[0]).StrIf("description", c.description)
			if len(paths) > 1 {
				w.Strs("or", paths[1:])
			}
			return w.String()
		}))
		w.BoolIf("single", op.pager() == nil)
	}
	w.StrIf("key", op.key)
	w.Raw("endpoints", array(op.endpoints, endpoint))
	return w.String()
}

func endpoint(e abi.Endpoint) string {
	var w jsonval.Writer
	w.Str("endpoint", e.Endpoint).Str("bucket", e.Bucket)
	if len(e.Scopes) > 0 {
		w.Strs("scopes", e.Scopes)
	}
	if w.StrIf("class", string(e.Class)); len(e.ClassRules) > 0 {
		w.Raw("class_rules", array(e.ClassRules, classRule))
	}
	if len(e.Sensitive) > 0 {
		w.Strs("sensitive", e.Sensitive)
	}
	return w.String()
}

// account says how to read whose token a connection has.
func account() string {
	var w jsonval.Writer
	return w.Raw("endpoint", endpoint(getMe)).Str("id", "id").Str("name", "profile.login").String()
}

func classRule(r abi.ClassRule) string {
	var w jsonval.Writer
	return w.Str("field", r.Field).StrIf("equals", r.Equals).Str("class", string(r.Class)).String()
}

// of is an endpoint with the class of its requests, for an operation whose class depends on its input.
func of(class abi.Class, e abi.Endpoint) abi.Endpoint {
	e.Class = class
	return e
}

// byBody is an endpoint whose requests are of another class where their body has what a rule says.
func byBody(class abi.Class, e abi.Endpoint, rules ...abi.ClassRule) abi.Endpoint {
	e.Class, e.ClassRules = class, rules
	return e
}

// schema is the JSON Schema of the operation's input.
func (op *operation) schema() string {
	var w, properties jsonval.Writer
	var required []string
	for _, in := range op.inputs {
		properties.Raw(in.name, in.schema)
		if in.required {
			required = append(required, in.name)
		}
	}
	w.Str("$schema", "https://json-schema.org/draft/2020-12/schema").Str("type", "object").Bool("additionalProperties", false)
	if required != nil {
		w.Strs("required", required)
	}
	w.Raw("properties", properties.String())
	if op.require != "" {
		v, _ := jsonval.Parse("{" + op.require + "}")
		for k, m := range v.Members() {
			w.Raw(k, m.Raw())
		}
	}
	return w.String()
}

func (op *operation) on(s abi.Surface) bool {
	for _, have := range op.surfaces {
		if have == s {
			return true
		}
	}
	return false
}

func array[T any](items []T, text func(T) string) string {
	b := []byte{'['}
	for i, it := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, text(it)...)
	}
	return string(append(b, ']'))
}
