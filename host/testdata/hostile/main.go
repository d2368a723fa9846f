//go:build wasip1

// Command hostile is a module that does what its input says, allowed or not: the tests of the host's walls drive it.
package main

import (
	"strings"

	"github.com/extism/go-pdk"

	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var imports hostcall.Wasm

//go:wasmexport describe
func describe() int32 { return 0 }

//go:wasmexport invoke
func invoke() int32 { return act("input") }

//go:wasmexport source
func source() int32 { return act("config") }

//go:wasmexport table
func table() int32 { return act("input") }

var sink [][]byte

var sinkInt int

func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

func act(field string) int32 {
	call, _ := jsonval.Parse(hostcall.Input())
	in := call.Get(field)
	switch in.Get("do").Str() {
	case "send": // each request in turn, {{secret}} replaced by the placeholder; answers what came back
		secret, _ := jsonval.Parse(imports.SecretGet("token"))
		auth := secret.Get("scheme").Str() + " " + secret.Get("placeholder").Str()
		var out []string
		requests := in.Get("requests")
		if n := in.Get("approved"); n.Exists() && call.Get("now").Str() >= in.Get("from").Str() {
			requests = n // time tells a plan from the run that follows
		}
		texts := in.Get("texts") // requests that an input cannot have as JSON, such as one with a member twice
		if texts.Exists() {
			requests = texts
		}
		for r := range requests.Elements() {
			text := r.Raw()
			if texts.Exists() {
				text = r.Str()
			}
			text = strings.ReplaceAll(text, "{{auth}}", auth)
			text = strings.ReplaceAll(text, "{{secret}}", secret.Get("placeholder").Str())
			resp := imports.HTTPSend(text)
			v, _ := jsonval.Parse(resp)
			body := ""
			if h := v.Get("body").Int(); h > 0 {
				body = imports.BodyRead(uint64(h), 0, v.Get("length").Int())
			}
			var w jsonval.Writer
			out = append(out, w.Raw("response", v.Raw()).Str("body", body).Str("emitted", imports.RecordsEmit(uint64(v.Get("body").Int()), in.Get("emit").Raw())).String())
		}
		succeed(`{"answers":[` + strings.Join(out, ",") + `],"placeholder":` + jsonval.Quote(secret.Get("placeholder").Str()) + `}`)
	case "emit and say": // emits from each answer, then gives any text as its own
		for r := range in.Get("requests").Elements() {
			v, _ := jsonval.Parse(imports.HTTPSend(r.Raw()))
			for e := range in.Get("emits").Elements() {
				imports.RecordsEmit(uint64(v.Get("body").Int()), e.Raw())
			}
		}
		hostcall.Output(in.Get("text").Str())
	case "send and panic":
		for r := range in.Get("requests").Elements() {
			imports.HTTPSend(r.Raw())
		}
		panic("the module panics")
	case "emit only": // looks at no body, and answers the summaries
		secret, _ := jsonval.Parse(imports.SecretGet("token"))
		auth := secret.Get("scheme").Str() + " " + secret.Get("placeholder").Str()
		var out []string
		for r := range in.Get("requests").Elements() {
			v, _ := jsonval.Parse(imports.HTTPSend(strings.ReplaceAll(r.Raw(), "{{auth}}", auth)))
			out = append(out, imports.RecordsEmit(uint64(v.Get("body").Int()), in.Get("emit").Raw()))
		}
		succeed(`{"emitted":[` + strings.Join(out, ",") + `]}`)
	case "hold": // asks, and looks at nothing
		var out []string
		for r := range in.Get("requests").Elements() {
			out = append(out, imports.HTTPSend(r.Raw()))
		}
		succeed(`{"answers":[` + strings.Join(out, ",") + `]}`)
	case "spin":
		for {
		}
	case "spin with calls":
		for {
			imports.Wait(0)
		}
	case "recurse": // for ages, without a loop
		sinkInt = fib(80)
	case "eat":
		for {
			sink = append(sink, make([]byte, 1<<20))
		}
	case "eat kernel memory":
		for {
			pdk.Allocate(1 << 20)
		}
	case "panic":
		panic("the module panics: " + in.Get("text").Str())
	case "fail":
		return 1
	case "say": // any text as the answer
		hostcall.Output(in.Get("text").Str())
	case "go on for ever": // pages without records, each with another cursor and checkpoint
		n := strings.Repeat("x", len(call.Get("cursor").Str())+len(call.Get("checkpoint").Get("v").Str())+1)
		hostcall.Output(`{"outcome":"succeeded","cursor":"` + n + `","checkpoint":{"v":"` + n + `"}}`)
	case "emit":
		ok := imports.RecordEmit(in.Get("record").Raw())
		if !ok {
			succeed(`{"taken":false}`)
			return 0
		}
		hostcall.Output(`{"outcome":"succeeded"}`)
	case "wait":
		if imports.Wait(in.Get("ms").Int()) {
			succeed(`{"waited":true}`)
		} else {
			succeed(`{"waited":false}`)
		}
	case "remember": // keeps the placeholder of one call for the next
		if kept == "" {
			kept = imports.SecretGet("token")
		}
		succeed(`{"kept":` + jsonval.Quote(kept) + `}`)
	case "read": // a handle of no body, or of another call
		succeed(`{"body":` + jsonval.Quote(imports.BodyRead(uint64(in.Get("handle").Int()), in.Get("offset").Int(), in.Get("length").Int())) + `}`)
	case "print":
		println("printed by the module: " + in.Get("text").Str())
		succeed(`{}`)
	default:
		return 2
	}
	return 0
}

var kept string

func succeed(output string) { hostcall.Output(`{"outcome":"succeeded","output":` + output + `}`) }

func main() {}
