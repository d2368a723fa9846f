package sandbox

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// HostFunction is a function of the host that a module may import. Its parameters and its result are 64-bit integers.
type HostFunction struct {
	Name   string
	Params int
	// Run carries the function out. call is the value passed to Pool.Run and is never nil: a guest that calls the
	// host outside a call traps. args has Params elements and is valid until Run returns.
	Run func(ctx context.Context, call any, messages *Messages, args []uint64) uint64
}

// Namespaces of the functions that every module may import.
const (
	extismNamespace = "extism:host/env"
	wasiNamespace   = "wasi_snapshot_preview1"
)

// function is one import as wazero defines it. Its results replace its parameters on the stack.
type function struct {
	name            string
	params, results []api.ValueType
	run             func(g *guestContext, stack []uint64)
}

// guestContext is the context of a running guest. wazero passes it to host functions.
type guestContext struct {
	context.Context
	instance *Instance
	call     any
}

// imports returns everything that a module may import, by namespace. It includes no files, sockets, HTTP requests,
// variables or configuration.
func (c Config) imports() map[string][]function {
	own := make([]function, len(c.Functions))
	for i, f := range c.Functions {
		own[i] = function{f.Name, make([]api.ValueType, f.Params), []api.ValueType{i64}, func(g *guestContext, stack []uint64) {
			if g.call == nil {
				panic(f.Name + ": called outside a call")
			}
			if err := g.Err(); err != nil { // stops a guest that calls imports without a loop of its own
				panic(err)
			}
			stack[0] = f.Run(g, g.call, g.instance.messages, stack)
		}}
		for j := range own[i].params {
			own[i].params[j] = i64
		}
	}
	return map[string][]function{c.Namespace: own, extismNamespace: messageFunctions(), wasiNamespace: wasiFunctions()}
}

// define defines the imports in a runtime.
func (c Config) define(ctx context.Context, r wazero.Runtime) error {
	for namespace, functions := range c.imports() {
		b := r.NewHostModuleBuilder(namespace)
		for _, f := range functions {
			b = b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(ctx context.Context, stack []uint64) {
				g, ok := ctx.(*guestContext)
				if !ok {
					panic(f.name + ": called outside a call")
				}
				f.run(g, stack)
			}), f.params, f.results).Export(f.name)
		}
		if _, err := b.Instantiate(ctx); err != nil {
			return fmt.Errorf("defining %s: %w", namespace, err)
		}
	}
	return nil
}
