package compare

import (
	"slices"

	"github.com/mach5/okta-connector/guest/jsonval"
)

// MergePatch applies a JSON merge patch (RFC 7396) to a target. Members of the patch replace those of the target,
// objects are merged, and null removes. Members that the patch does not name keep their text.
func MergePatch(target, patch jsonval.Value) string {
	if patch.Kind() != jsonval.Object {
		return patch.Raw()
	}
	var w jsonval.Writer
	var done []string
	for _, v := range [...]jsonval.Value{target, patch} { // the members of the target come first, in its order
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
