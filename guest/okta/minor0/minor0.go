// Package minor0 holds what hosts of minor version 0 of the ABI knew of Okta, and the manifests of its modules did not say.
//
// A host that runs such a module gets it as host.LoadOptions.Minor0. It does not change any more: a module of a later minor
// version says all of it in its manifest.
package minor0

import (
	_ "embed" // the data
	"encoding/json"
)

//go:embed minor0.json
var manifest []byte

// Manifest returns the partial manifest: see abi.ParseManifest.
func Manifest() json.RawMessage { return manifest }
