package connections

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/tidwall/gjson"
)

// quantity is a number with its unit, as people write a time or a size.
var quantity = regexp.MustCompile(`^([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([A-Za-z]*)$`)

// Units that people write, by the unit in which the end of a field's name says that the host counts.
var units = map[string]map[string]float64{
	"_seconds": {"s": 1, "sec": 1, "second": 1, "seconds": 1, "m": 60, "min": 60, "minute": 60, "minutes": 60, "h": 3600, "hour": 3600,
		"hours": 3600, "d": 86_400, "day": 86_400, "days": 86_400, "w": 604_800, "week": 604_800, "weeks": 604_800},
	"_bytes": {"b": 1, "k": 1 << 10, "kb": 1 << 10, "kib": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "mib": 1 << 20, "g": 1 << 30, "gb": 1 << 30,
		"gib": 1 << 30, "t": 1 << 40, "tb": 1 << 40, "tib": 1 << 40},
}

// hint returns what to write for a value whose meaning is clear and whose notation is wrong, such as 90 for 0.9, 5m for 300
// seconds or yes for true. It begins with ": write". It returns "" if the meaning is not clear, or if the schema does not allow it.
func (e *entry) hint(path []string) string {
	schema := e.schema.at(path)
	text := ""
	switch n := e.nodes[strings.Join(path, "/")].(type) {
	case *ast.StringNode:
		text = strings.TrimSpace(n.Value)
	case *ast.IntegerNode:
		text = fmt.Sprint(n.Value)
	case *ast.FloatNode:
		text = n.GetToken().Value
	}
	if text == "" {
		return ""
	}
	switch schema.Get("type").Str {
	case "boolean":
		switch strings.ToLower(text) {
		case "yes", "on", "true", "1":
			return ": write true"
		case "no", "off", "false", "0":
			return ": write false"
		}
	case "array":
		for _, allowed := range schema.Get("items.enum").Array() {
			if strings.EqualFold(text, allowed.Str) {
				return ": write [" + allowed.Str + "]"
			}
		}
		return e.hintOfList(path)
	case "number":
		return hintOfShare(text, schema)
	case "integer":
		return hintOfCount(text, path[len(path)-1], schema)
	}
	return ""
}

// hintOfShare is hint for a part of 1. People write it in percent.
func hintOfShare(text string, schema gjson.Result) string {
	number, percent := strings.CutSuffix(text, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil {
		return ""
	}
	share := v
	if percent || v > 1 && schema.Get("maximum").Num == 1 {
		share = v / 100
	}
	if !allows(schema, share) {
		return ""
	}
	write := ": write " + strconv.FormatFloat(share, 'f', -1, 64)
	if share != v {
		write += " for " + strconv.FormatFloat(v, 'f', -1, 64) + "%"
	}
	return write
}

// hintOfCount is hint for a whole number. The end of the field's name gives the unit.
func hintOfCount(text, field string, schema gjson.Result) string {
	parts := quantity.FindStringSubmatch(strings.NewReplacer(",", "", "_", "").Replace(text))
	if parts == nil {
		return ""
	}
	n, err := strconv.ParseFloat(parts[1], 64)
	if err != nil {
		return ""
	}
	if unit := strings.ToLower(parts[2]); unit != "" {
		factor := 0.0
		for end, known := range units {
			if strings.HasSuffix(field, end) {
				factor = known[unit]
			}
		}
		if n *= factor; factor == 0 {
			return ""
		}
	}
	whole := strconv.FormatInt(int64(n), 10)
	switch {
	case float64(int64(n)) != n, !allows(schema, n):
		return ""
	case whole == text: // a text
		return ": write " + whole + " without quotes"
	}
	return ": write " + whole
}

// allows reports whether a number is within the bounds of a schema.
func allows(schema gjson.Result, n float64) bool {
	over, from, to := schema.Get("exclusiveMinimum"), schema.Get("minimum"), schema.Get("maximum")
	return (!over.Exists() || n > over.Num) && (!from.Exists() || n >= from.Num) && (!to.Exists() || n <= to.Num)
}
