package tree

import (
	"encoding/json"
	"strings"
)

// Operator is a node of a plan, as EXPLAIN (FORMAT json) prints it.
type Operator struct {
	Name     string                     `json:"name"`
	Children []Operator                 `json:"children"`
	Info     map[string]json.RawMessage `json:"extra_info"`
}

// Text returns a text of the node. DuckDB prints a text of several lines as an array.
func (o Operator) Text(name string) string {
	var text string
	var lines []string
	if json.Unmarshal(o.Info[name], &text) == nil {
		return text
	}
	if json.Unmarshal(o.Info[name], &lines) == nil {
		return strings.Join(lines, "\n")
	}
	return ""
}

// IsTop reports whether a plan is the first rows of one scan in an order, with nothing but filters and projections in between.
func (o Operator) IsTop(scan string) bool {
	top := false
	for ; ; o = o.Children[0] {
		switch o.Name {
		case "TOP_N":
			top = true
		case scan:
			return top
		case "PROJECTION", "FILTER":
		default:
			return false
		}
		if len(o.Children) != 1 {
			return false
		}
	}
}

// IsStream reports whether a plan passes the rows of one scan on as they come.
func (o Operator) IsStream(scan string) bool {
	for ; ; o = o.Children[0] {
		switch o.Name {
		case scan:
			return true
		case "PROJECTION", "FILTER", "STREAMING_LIMIT", "LIMIT":
		default:
			return false
		}
		if len(o.Children) != 1 {
			return false
		}
	}
}
