package records

import (
	"strings"

	"github.com/tidwall/gjson"
)

// Paths looks up several plain paths in a record in one pass. It is safe for concurrent use.
type Paths struct {
	root  node
	whole []int          // indexes of empty paths: the record itself
	other map[int]string // paths that may go through an array, by index; gjson looks them up
}

// node is a key on a path, or the record.
type node struct {
	ends []int // indexes of the paths that end here
	keys []key
}

type key struct {
	name string
	node node
}

// NewPaths returns Paths for plain paths. An empty path is the record itself.
func NewPaths(paths []string) *Paths {
	p := &Paths{other: map[int]string{}}
	for i, path := range paths {
		if path == "" {
			p.whole = append(p.whole, i)
			continue
		}
		keys := strings.Split(path, ".")
		if indexes(keys[1:]) {
			p.other[i] = path
			continue
		}
		n := &p.root
		for _, k := range keys {
			n = n.child(k)
		}
		n.ends = append(n.ends, i)
	}
	return p
}

// indexes reports whether one of the keys could also be the index of an array.
func indexes(keys []string) bool {
	for _, k := range keys {
		if strings.Trim(k, "0123456789") == "" {
			return true
		}
	}
	return false
}

func (n *node) child(name string) *node {
	for i := range n.keys {
		if n.keys[i].name == name {
			return &n.keys[i].node
		}
	}
	n.keys = append(n.keys, key{name: name})
	return &n.keys[len(n.keys)-1].node
}

// Find sets found[i] to the JSON at path i, or to nil if there is nothing. The slices are views into the record, which
// must be from Split. If a key is listed twice, the first counts.
func (p *Paths) Find(record []byte, found [][]byte) {
	clear(found)
	for _, i := range p.whole {
		found[i] = record
	}
	if len(p.root.keys) > 0 {
		p.root.object(record, skipSpace(record, 0), found)
	}
	for i, path := range p.other {
		if v := gjson.GetBytes(record, path); v.Exists() {
			found[i] = []byte(v.Raw)
		}
	}
}

// object searches the object at i and returns the index after it. The record must be JSON and not nested deeper than
// MaxDepth.
func (n *node) object(b []byte, i int, found [][]byte) int {
	if i >= len(b) || b[i] != '{' {
		return valueEnd(b, i)
	}
	i = skipSpace(b, i+1)
	for i < len(b) && b[i] == '"' {
		start := i
		if i = stringEnd(b, i); i < 0 {
			return len(b)
		}
		next := n.find(b[start:i])
		if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
			return len(b)
		}
		i = skipSpace(b, i+1)
		value := i
		switch {
		case next == nil:
			i = valueEnd(b, i)
		case len(next.keys) > 0:
			i = next.object(b, i, found)
		default:
			i = valueEnd(b, i)
		}
		if next != nil {
			for _, at := range next.ends {
				if found[at] == nil {
					found[at] = b[value:i:i]
				}
			}
		}
		if i = skipSpace(b, i); i >= len(b) || b[i] != ',' {
			break
		}
		i = skipSpace(b, i+1)
	}
	return min(i+1, len(b))
}

// find returns the node of a quoted key, or nil.
func (n *node) find(quoted []byte) *node {
	name := quoted[1 : len(quoted)-1]
	for i := range n.keys {
		if string(name) == n.keys[i].name {
			return &n.keys[i].node
		}
	}
	for _, c := range name {
		if c == '\\' {
			unescaped := gjson.ParseBytes(quoted).Str
			for i := range n.keys {
				if unescaped == n.keys[i].name {
					return &n.keys[i].node
				}
			}
			return nil
		}
	}
	return nil
}

// valueEnd returns the index after the value at i.
func valueEnd(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = stringEnd(b, i); i < 0 {
				return len(b)
			}
		case '{', '[':
			depth++
			i++
			continue
		case '}', ']':
			depth--
			i++
		case ',', ':', ' ', '\t', '\n', '\r':
			i++
			continue
		default: // a number, true, false, null
			for i++; i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] > ' '; i++ {
			}
		}
		if depth == 0 {
			return i
		}
	}
	return len(b)
}
