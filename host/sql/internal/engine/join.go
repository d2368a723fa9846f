//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package engine

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/sql/internal/sqltext"
	"github.com/mach5/okta-connector/host/sql/internal/tree"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// DuckDB reads one side of a join before the other begins. So the values of that side are known, and the other side needs only
// the rows with them. A plan does not say which columns are compared, since queries may rename them. The tree of the statement does:
// it has the names as the author wrote them, and each is resolved to a view.

// joinKey says that a scan needs only rows whose column has a value that another scan returned.
type joinKey struct {
	column string // the scan's own
	other  int    // the tag of the other scan in the plan
	from   string // the other scan's column
}

// keySet has the values of a column that a scan returned.
type keySet struct {
	mu     sync.Mutex
	values map[string]bool
	runs   int  // how often the scan began
	ended  bool // it returned its last row
	over   bool // there are too many values
}

// maxKeys is how many values are kept of a column.
const maxKeys = 20_000

func (k *keySet) add(text []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over || k.values[string(text)] {
		return
	}
	if k.over = len(k.values) >= maxKeys; !k.over {
		k.values[string(text)] = true
	}
}

// keeper keeps values of the rows of a run, those for which its condition may hold. nil keeps none.
type keeper struct {
	condition *wire.Condition
	columns   []string     // by the columns of a chunk; "" is none
	values    []tree.Value // the current row, by the columns of a chunk
	sets      map[int]*keySet
}

// newKeeper returns nil if no value of a run is to be kept.
func newKeeper(r *scanRun, sets map[string]*keySet, pushed *wire.Pushed) *keeper {
	k := &keeper{columns: make([]string, len(r.asked)), values: make([]tree.Value, len(r.asked)), sets: map[int]*keySet{}}
	if pushed != nil {
		k.condition = pushed.Condition
	}
	for i, at := range r.asked {
		if at < 0 {
			continue
		}
		k.columns[i] = r.scan.table.Columns[at].Name
		if set := sets[k.columns[i]]; set != nil {
			set.mu.Lock()
			set.runs++
			set.mu.Unlock()
			k.sets[i] = set
		}
	}
	if len(k.sets) == 0 {
		return nil
	}
	return k
}

// value returns where the value of a column goes, nil if it is not needed.
func (k *keeper) value(column int) *tree.Value {
	if k == nil {
		return nil
	}
	return &k.values[column]
}

// keep keeps the values of the current row.
func (k *keeper) keep() {
	if k == nil || k.condition != nil && !tree.Holds(k.condition, func(column string) (tree.Value, bool) {
		i := slices.Index(k.columns, column)
		if i < 0 {
			return nil, false
		}
		return k.values[i], true
	}) {
		return
	}
	for i, set := range k.sets {
		if text, ok := k.values[i].([]byte); ok {
			set.add(text)
		}
	}
}

// end notes that all values are there.
func (k *keeper) end() {
	if k == nil {
		return
	}
	for _, set := range k.sets {
		set.mu.Lock()
		set.ended = true
		set.mu.Unlock()
	}
}

// known returns the values, if the scan has returned all of them.
func (k *keySet) known() ([]string, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.values)), k.ended && !k.over && k.runs == 1
}

// writers find the query in a statement that writes its rows. What is no query has no tree.
var writers = []*regexp.Regexp{
	regexp.MustCompile(`(?is)^\s*copy\s*\((.*)\)\s*to\s*'[^']*'\s*(?:\([^()]*\))?[\s;]*$`),
	regexp.MustCompile(`(?is)^\s*create\s+(?:or\s+replace\s+)?(?:temp\s+|temporary\s+)?table\s+(?:if\s+not\s+exists\s+)?(?:` + sqltext.Part + `\.)*` + sqltext.Part + `\s+as\s+(.*)$`),
	regexp.MustCompile(`(?is)^\s*insert\s+into\s+(?:` + sqltext.Part + `\.)*` + sqltext.Part + `\s*(?:\([^()]*\))?\s*((?:select|from|with)\b.*)$`),
}

// joins notes in a plan which scans need only the rows that match another scan.
func (e *Engine) joins(ctx context.Context, statement string, p *plan) {
	for _, writes := range writers {
		if m := writes.FindStringSubmatch(statement); m != nil {
			statement = m[1]
			break
		}
	}
	for _, join := range tree.Joins(e.serialized(ctx, statement), e.isView) {
		if under, ok := join.Under(e.names.overlays); ok {
			p.note(under)
		}
	}
}

// note notes that a scan of one view needs only the values of another.
func (p *plan) note(j tree.Join) {
	one, other := p.scan(j.View, &j.Column), p.scan(j.Other, &j.From)
	if one == nil || other == nil || one == other {
		return
	}
	x, y := j.Column, j.From
	if p.keys == nil {
		p.keys, p.sets = map[int][]joinKey{}, map[int]map[string]*keySet{}
	}
	p.keys[one.tag] = append(p.keys[one.tag], joinKey{x, other.tag, y})
	if p.sets[other.tag] == nil {
		p.sets[other.tag] = map[string]*keySet{}
	}
	if p.sets[other.tag][y] == nil {
		p.sets[other.tag][y] = &keySet{values: map[string]bool{}}
	}
}

// scan returns the only scan of a view in the plan. It sets column, which has type VARCHAR, to its name in the scan.
func (p *plan) scan(view string, column *string) (found *scan) {
	for tag := range p.found {
		for _, one := range p.scans {
			if one.tag != tag || strings.ToLower(one.call.View) != view {
				continue
			}
			if found != nil {
				return nil
			}
			found = one
		}
	}
	if found == nil {
		return nil
	}
	i := slices.IndexFunc(found.table.Columns, func(c wire.Column) bool { return strings.EqualFold(c.Name, *column) && c.Type == abi.Varchar })
	if i < 0 {
		return nil
	}
	*column = found.table.Columns[i].Name
	return found
}

// joined adds to what is pushed to a scan the values of the scans that were read before. none reports that no row is needed.
func (p plan) joined(tag int, pushed *wire.Pushed) (more *wire.Pushed, none bool) {
	if pushed == nil {
		return nil, false
	}
	for _, key := range p.keys[tag] {
		values, known := p.sets[key.other][key.from].known()
		if !known {
			continue
		}
		if len(values) == 0 {
			return pushed, true
		}
		copied := *pushed
		in := wire.Condition{Op: wire.OpIn, Column: key.column, Values: values}
		if copied.Condition != nil {
			in = wire.Condition{Op: wire.OpAnd, Parts: []wire.Condition{*copied.Condition, in}}
		}
		copied.Condition = &in
		pushed = &copied
	}
	return pushed, false
}
