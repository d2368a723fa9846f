// Package sdktest holds the simulated org against Okta's own Go client. Compiling that client takes over a minute, so that the
// tests are built with the tag long alone: go test -tags long ./guest/okta/oktatest/sdktest.
package sdktest
