// Package bench compares the sandbox with peers in the same run, and prints ratios. The peers are a native loop with minimal
// work, and the service's own client.
//
//	make bench
//
// The benchmarks are built only with the tag long, since that client takes over a minute to compile. make bench sets the tag.
package bench
