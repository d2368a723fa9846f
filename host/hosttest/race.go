//go:build race

package hosttest

// Raced says that the race detector is on. It makes a call of a module ten times as long.
const Raced = true
