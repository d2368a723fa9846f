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

// Module returns the embedded module and its SHA-256 in hex. The bytes are the program's own and read-only: they are
// neither copied nor hashed here, since every start calls it.
func Module() (module []byte, sum string, ok bool) {
	sum, _, _ = strings.Cut(checksum, " ")
	return wasm, sum, true
}
