//go:build !embed

package embedded

// Module returns ok false: this program was built without a module.
func Module() (module []byte, sum string, ok bool) { return nil, "", false }
