//go:build race

package host_test

// raced is set under the race detector, which makes what is here ten times as long.
const raced = true
