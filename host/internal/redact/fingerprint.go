package redact

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/mach5/okta-connector/abi"
)

// rounds is the number of PBKDF2 rounds for the sensitive values of a fingerprint. One guess costs a tenth of a second.
const rounds = 300_000

// Fingerprint returns a text that is different for different operations and inputs, and the same for any spelling of
// the same JSON. The journal stores it, so sensitive values are hashed with PBKDF2, salted per key, against brute
// force.
func Fingerprint(op *abi.Operation, input json.RawMessage, salt string) (string, error) {
	var members map[string]any
	dec := json.NewDecoder(bytes.NewReader(input))
	dec.UseNumber()
	if err := dec.Decode(&members); err != nil {
		return "", err
	}
	_, secret := fields(op)
	hidden := map[string]any{}
	for name, value := range members {
		if secret[name] {
			hidden[name] = value
			delete(members, name)
		}
	}
	plain, err := json.Marshal(members) // sorts the keys
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s\x00%s\x00", op.Name, plain) // a hash never fails
	if len(hidden) > 0 {
		text, err := json.Marshal(hidden)
		if err != nil {
			return "", err
		}
		own := sha256.Sum256([]byte(salt))
		derived, err := pbkdf2.Key(sha256.New, string(text), own[:], rounds, sha256.Size)
		if err != nil {
			return "", err
		}
		_, _ = h.Write(derived)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
