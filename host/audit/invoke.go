package audit

import (
	"cmp"
	"slices"
	"time"

	"github.com/mach5/okta-connector/abi"
)

// Invoke is one invoke, joined from its records.
type Invoke struct {
	Record
	Started time.Time // when its first write was about to be sent; zero if it sent none
	File    string
	Line    int // number of the line of its last record
	// Broken says how one of its lines breaks the chain. Empty if none does.
	Broken string
	// Interrupted means that there is no final record: the process was killed while it sent a write, or it still runs. The
	// result of the write is not known.
	Interrupted bool
}

// Interrupted is the outcome of an invoke without a final record. Only this package uses it: no result has it.
const Interrupted abi.Outcome = "interrupted"

// maxOpen is the maximum number of invokes in memory whose final record was not read yet. For one more, the oldest is
// returned as interrupted.
const maxOpen = 20_000

// Invokes joins the two records of each invoke. The zero value is ready to use. It is not safe for concurrent use.
type Invokes struct {
	open  map[string][]*Invoke // invokes without a final record, by invokeID
	ages  []*Invoke            // all of open, oldest first, and some with Line 0 that have ended
	count int                  // length of open
}

// Add adds a line that is a record. It returns the invokes that end with it: none for a record before a write, one for a
// final record.
func (d *Invokes) Add(file string, l Line) []Invoke {
	if d.open == nil {
		d.open = map[string][]*Invoke{}
	}
	invoke := &Invoke{Record: l.Record, File: file, Line: l.Number, Broken: l.Broken}
	id := invokeID(l.Record)
	if l.Record.Phase != Writing {
		if same := d.open[id]; len(same) > 0 {
			invoke.Started, invoke.Broken = same[0].Started, cmp.Or(invoke.Broken, same[0].Broken)
			same[0].Line = 0 // ended
			d.remove(id, same)
		}
		return []Invoke{*invoke}
	}
	invoke.Started, invoke.Interrupted, invoke.Outcome = invoke.Time, true, Interrupted
	invoke.Before, invoke.Approval = nil, nil // to limit memory
	d.open[id] = append(d.open[id], invoke)
	d.ages = append(d.ages, invoke)
	d.count++
	if d.count <= maxOpen {
		return nil
	}
	return []Invoke{*d.oldest()}
}

func (d *Invokes) remove(id string, same []*Invoke) {
	d.count--
	if len(same) == 1 {
		delete(d.open, id)
	} else {
		d.open[id] = same[1:]
	}
	if len(d.ages) > 2*d.count+1000 {
		d.ages = slices.DeleteFunc(d.ages, func(o *Invoke) bool { return o.Line == 0 })
	}
}

// oldest removes and returns the oldest invoke without a final record.
func (d *Invokes) oldest() *Invoke {
	for len(d.ages) > 0 {
		first := d.ages[0]
		d.ages = d.ages[1:]
		if first.Line > 0 {
			id := invokeID(first.Record)
			d.remove(id, d.open[id])
			return first
		}
	}
	return nil
}

// Rest returns the invokes without a final record, oldest first, and resets d. Call it after the last line.
func (d *Invokes) Rest() []Invoke {
	var all []Invoke
	for _, o := range d.ages {
		if o.Line > 0 {
			all = append(all, *o)
		}
	}
	*d = Invokes{}
	return all
}

// invokeID returns a text that is the same for both records of an invoke. Records of an earlier version have no run.
func invokeID(r Record) string {
	if r.Run != "" {
		return r.Run
	}
	return "\x00" + r.Connection + "\x00" + r.Operation + "\x00" + r.Key + "\x00" + string(r.Input)
}
