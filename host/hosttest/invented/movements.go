package invented

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Past is how far the movements of Fill reach back.
const Past = 20 * time.Hour

// movement is a record of the log of movements.
type movement struct {
	at   time.Time
	text string
}

// log is the log of movements.
type log struct {
	all    []movement // in the order in which they were recorded
	byTime []movement // in the order of their times; nil before it is needed
}

// record adds a movement to the log. d.mu must be locked.
func (d *Depot) record(sku, shelf string, at time.Time) {
	note := ""
	for n := len(d.log.all); len(note) < d.Note; n++ {
		sum := sha256.Sum256([]byte(strconv.Itoa(n) + note))
		note += hex.EncodeToString(sum[:])
	}
	if note != "" {
		note = fmt.Sprintf(`,"note":%q`, note)
	}
	d.keep(at, fmt.Sprintf(`{"no":%d,"sku":%q,"to":%q,"at":%q%s}`, len(d.log.all)+1, sku, shelf, at.UTC().Format(TimeLayout), note))
}

func (d *Depot) keep(at time.Time, text string) {
	d.log.all = append(d.log.all, movement{at.Truncate(time.Second), text})
	d.log.byTime = nil
}

// Fill adds n movements. Their times are spread evenly over Past.
func (d *Depot) Fill(n int) *Depot {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	for i := range n {
		d.record("pallet-"+strconv.Itoa(i%100), "C", now.Add(-Past*time.Duration(n-i)/time.Duration(n)))
	}
	return d
}

// Append adds n movements of this moment.
func (d *Depot) Append(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for range n {
		d.record("pallet-1", "D", d.now())
	}
}

// AppendLate adds a movement of an earlier time, which is recorded only now.
func (d *Depot) AppendLate(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.record("pallet-1", "E", at)
}

// AppendRecord adds a movement with any content.
func (d *Depot) AppendRecord(at time.Time, record string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.keep(at, record)
}

// Movements iterates over all movements. They must not be added to meanwhile.
func (d *Depot) Movements() iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		d.mu.Lock()
		all := slices.Clip(d.log.all)
		d.mu.Unlock()
		for _, m := range all {
			if !yield(json.RawMessage(m.text)) {
				return
			}
		}
	}
}

// poll answers a page of the log, in the order in which movements were recorded. A page begins after a mark, or with the first
// movement that is not older than the time in the query from. A mark is the number of the last movement, after the depot's Marker.
func (d *Depot) poll(w http.ResponseWriter, r *http.Request, repeat bool) {
	q, size := r.URL.Query(), sizeOf(r)
	after := q.Get("after")
	start, _ := strconv.Atoi(after[strings.LastIndex(after, "-")+1:])
	mark := d.Marker
	if repeat {
		start -= size
		mark += "again-" // a mark of its own
	}
	start = min(max(start, 0), len(d.log.all))
	if from, err := time.Parse(TimeLayout, q.Get("from")); err == nil {
		for start < len(d.log.all) && d.log.all[start].at.Before(from) {
			start++
		}
	}
	end := min(start+size, len(d.log.all))
	next := "more"
	if end == len(d.log.all) {
		next = noMore
	}
	writePage(w, d.log.all[start:end], fmt.Sprintf(`{"continue":%q,"mark":"%s%d"}`, next, mark, end))
}

// history answers a page of the movements of a time, of any item or shelf or of one, in the order of their times. The cursor is the number of movements before
// the next page.
func (d *Depot) history(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if d.log.byTime == nil {
		d.log.byTime = slices.Clone(d.log.all)
		slices.SortStableFunc(d.log.byTime, func(a, b movement) int { return a.at.Compare(b.at) })
	}
	all := d.log.byTime
	for parameter, member := range map[string]string{"sku": "sku", "shelf": "to"} {
		if value := q.Get(parameter); value != "" {
			all = slices.DeleteFunc(slices.Clone(all), func(m movement) bool { return !strings.Contains(m.text, fmt.Sprintf(`%q:%q`, member, value)) })
		}
	}
	if to, err := time.Parse(TimeLayout, q.Get("to")); err == nil {
		all = all[:sort.Search(len(all), func(i int) bool { return !all[i].at.Before(to) })]
	}
	start := 0
	if from, err := time.Parse(TimeLayout, q.Get("from")); err == nil {
		start = sort.Search(len(all), func(i int) bool { return !all[i].at.Before(from) })
	}
	if n, err := strconv.Atoi(q.Get("continue")); err == nil {
		start = min(max(start, n), len(all))
	}
	end, next := min(start+sizeOf(r), len(all)), noMore
	if end < len(all) {
		next = strconv.Itoa(end)
	}
	writePage(w, all[start:end], fmt.Sprintf(`{"continue":%q}`, next))
}

// writePage writes a page of movements.
func writePage(w http.ResponseWriter, all []movement, paging string) {
	var b strings.Builder
	b.WriteString(`{"movements":[`)
	for i, m := range all {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(m.text)
	}
	_, _ = fmt.Fprintf(&b, `],"paging":%s}`, paging)
	_, _ = w.Write([]byte(b.String()))
}

// MovementCount returns the number of movements.
func (d *Depot) MovementCount() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.log.all)
}
