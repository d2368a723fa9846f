//go:build embed

package embedded

import (
	_ "embed"
	"strings"
)

//go:embed okta.wasm
var wasm []byte

//go:embed okta.wasm.sha256
var checksum string

// Module returns the embedded module and its SHA-256 in hex. The bytes must not be changed: they are not copied, and not
// hashed, to keep each start short.
func Module() (module []byte, sum string, ok bool) {
	sum, _, _ = strings.Cut(checksum, " ")
	return wasm, sum, true
}
