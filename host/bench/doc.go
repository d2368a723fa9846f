// Package bench measures the sandbox against its peers in the same run and prints ratios: a native loop that does as
// little as possible, and the service's own client.
//
//	make bench
//
// They are built with the tag long alone, since compiling that client takes over a minute: make bench.
package bench
