// Package minor0 has facts about Okta that hosts of minor version 0 of the ABI knew. Manifests of that version do not
// have them.
//
// A host that runs such a module gets them as host.LoadOptions.Minor0. They do not change: a module of a later minor
// version has all of them in its manifest.
package minor0

import (
	_ "embed" // for minor0.json
	"encoding/json"
)

//go:embed minor0.json
var manifest []byte

// Manifest returns the partial manifest: see abi.ParseManifest.
func Manifest() json.RawMessage { return manifest }
