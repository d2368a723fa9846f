//go:build !wasip1

package abi

import "encoding/json"

// rawMessage is JSON text, in a type that guests have too.
type rawMessage = json.RawMessage
