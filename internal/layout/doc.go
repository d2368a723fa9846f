// Package layout tests which package may import which, and how large a package may be.
package layout
