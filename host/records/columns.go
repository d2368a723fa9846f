package records

import "github.com/mach5/okta-connector/abi"

// Columns finds what a record has in each of some columns. It is not safe for concurrent use.
type Columns struct {
	paths  *Paths
	found  [][]byte // in the last record: by column, and then by other paths
	others []alternative
	count  int
}

// alternative is another path of a column (abi.Column.Or).
type alternative struct{ column, path int } // indexes into Columns.found

// NewColumns returns Columns for the given ones, in this order.
func NewColumns(columns []abi.Column) *Columns {
	c := &Columns{count: len(columns)}
	paths := make([]string, len(columns))
	for i, col := range columns {
		paths[i] = col.Path
		for _, path := range col.Or {
			c.others = append(c.others, alternative{i, len(paths)})
			paths = append(paths, path)
		}
	}
	c.paths, c.found = NewPaths(paths), make([][]byte, len(paths))
	return c
}

// Find returns the JSON of each column, nil if there is none. The slices are views into the record, and the result is
// valid until the next call.
func (c *Columns) Find(record []byte) [][]byte {
	c.paths.Find(record, c.found)
	for _, o := range c.others {
		if Cell(c.found[o.column]).Null() {
			c.found[o.column] = c.found[o.path]
		}
	}
	return c.found[:c.count]
}
