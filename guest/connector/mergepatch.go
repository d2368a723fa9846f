package connector

import (
	"slices"

	"github.com/mach5/okta-connector/guest/jsonval"
)

// MergePatch applies a JSON merge patch to a target (RFC 7396): members of the patch replace the target's, objects by
// members again, and null removes. What the patch does not name keeps its text.
func MergePatch(target, patch jsonval.Value) string {
	if patch.Kind() != jsonval.Object {
		return patch.Raw()
	}
	var w jsonval.Writer
	var done []string
	for _, v := range [...]jsonval.Value{target, patch} { // the target's members first, in its order
		for name := range v.Members() {
			if slices.Contains(done, name) {
				continue
			}
			done = append(done, name)
			switch mine, theirs := target.Get(name), patch.Get(name); theirs.Kind() {
			case jsonval.None:
				w.Raw(name, mine.Raw())
			case jsonval.Null:
			default:
				w.Raw(name, MergePatch(mine, theirs))
			}
		}
	}
	return w.String()
}
