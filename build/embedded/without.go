//go:build !embed

package embedded

// Module returns false for ok: this program was built without a module.
func Module() (module []byte, sum string, ok bool) { return nil, "", false }
