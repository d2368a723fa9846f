// Package sdktest checks the simulated org with Okta's own Go client. Compiling that client takes over a minute, so the
// tests are built only with the tag long: go test -tags long ./guest/okta/oktatest/sdktest.
package sdktest
