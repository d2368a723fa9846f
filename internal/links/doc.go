// Package links tests that links in documents lead somewhere.
package links
