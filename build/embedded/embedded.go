// Package embedded contains the module that make build embeds into wasm-runner, so that the product is one file.
//
// With the build tag embed, it embeds okta.wasm and okta.wasm.sha256, which go run ./build -o build/embedded/okta.wasm writes.
// Without the tag it contains no module, so go build ./... and go vet ./... work on a fresh clone.
package embedded
