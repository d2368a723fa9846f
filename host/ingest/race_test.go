//go:build race

package ingest_test

// raced is whether the race detector is at work, which makes what uses the processor many times slower.
const raced = true
