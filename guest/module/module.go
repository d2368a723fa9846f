// Package module turns a connector into the exports of a Wasm module.
package module
