//go:build race

package hosttest

// Raced reports whether the race detector is on. It makes calls of modules ten times slower.
const Raced = true
