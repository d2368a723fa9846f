package audit

import (
	"cmp"
	"slices"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// Deed is one invoke, put together from its lines.
type Deed struct {
	Record
	Started time.Time // when its first write was about to be sent; zero when it sent none
	File    string
	Line    int // of its last record
	// Broken says how a line of it breaks the chain.
	Broken string
	// Interrupted says that no final record was found: the process was killed while a write was being sent, or it runs
	// still. What became of the write is not known.
	Interrupted bool
}

// Interrupted is the outcome of a deed that has no final record. It is the reader's own: no result has it.
const Interrupted abi.Outcome = "interrupted"

// maxOpen is how many deeds without a final record are held. The oldest is given up for one more.
const maxOpen = 20_000

// Deeds puts lines together: the two records of an invoke become one deed. The zero value is ready. It is for one
// goroutine.
type Deeds struct {
	open map[string][]*Deed // by run, or by what tells lines of an earlier version apart
	ages []*Deed            // all of open, oldest first, and some that are closed
	held int
}

// Add takes a line that is a record and returns the deeds that end with it: none for a record before a write, one for a
// final record.
func (d *Deeds) Add(file string, l Line) []Deed {
	if d.open == nil {
		d.open = map[string][]*Deed{}
	}
	deed := &Deed{Record: l.Record, File: file, Line: l.Number, Broken: l.Broken}
	id := pairing(l.Record)
	if l.Record.Phase != Writing {
		if same := d.open[id]; len(same) > 0 {
			deed.Started, deed.Broken = same[0].Started, cmp.Or(deed.Broken, same[0].Broken)
			same[0].Line = 0 // closed
			d.remove(id, same)
		}
		return []Deed{*deed}
	}
	deed.Started, deed.Interrupted, deed.Outcome = deed.Time, true, Interrupted
	deed.Before, deed.Approval = nil, nil // what is held is small
	d.open[id] = append(d.open[id], deed)
	d.ages = append(d.ages, deed)
	d.held++
	if d.held <= maxOpen {
		return nil
	}
	return []Deed{*d.oldest()}
}

func (d *Deeds) remove(id string, same []*Deed) {
	d.held--
	if len(same) == 1 {
		delete(d.open, id)
	} else {
		d.open[id] = same[1:]
	}
	if len(d.ages) > 2*d.held+1000 {
		d.ages = slices.DeleteFunc(d.ages, func(o *Deed) bool { return o.Line == 0 })
	}
}

// oldest takes the oldest deed out that has no final record.
func (d *Deeds) oldest() *Deed {
	for len(d.ages) > 0 {
		first := d.ages[0]
		d.ages = d.ages[1:]
		if first.Line > 0 {
			id := pairing(first.Record)
			d.remove(id, d.open[id])
			return first
		}
	}
	return nil
}

// Rest are the deeds without a final record, oldest first. Ask for them behind the last line.
func (d *Deeds) Rest() []Deed {
	var all []Deed
	for _, o := range d.ages {
		if o.Line > 0 {
			all = append(all, *o)
		}
	}
	*d = Deeds{}
	return all
}

// pairing is what both records of an invoke have in common. Those of an earlier version have no run.
func pairing(r Record) string {
	if r.Run != "" {
		return r.Run
	}
	return "\x00" + r.Connection + "\x00" + r.Operation + "\x00" + r.Key + "\x00" + string(r.Input)
}
