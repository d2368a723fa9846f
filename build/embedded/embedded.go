// Package embedded holds the module that make build puts into wasm-runner, so that one file is the whole product.
//
// With the build tag embed it embeds okta.wasm and okta.wasm.sha256, which go run ./build -o build/embedded/okta.wasm writes.
// Without the tag it holds nothing, so that go build ./... and go vet ./... work on a fresh clone.
package embedded
