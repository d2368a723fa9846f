// Package walk reads several lists one after another, with one request for each page.
package walk

import (
	"slices"
	"strconv"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/links"
	"github.com/mach5/okta-connector/guest/connector/texts"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// Walk reads lists one after another, with one request for each page. Its cursor resumes from any point: inside a list,
// or between the lists of two parents.
type Walk struct {
	Parts   []Part
	PerKind int // maximum number of records of one kind; 0 means all

	// Judge says what a failure means for the rest of the walk.
	Judge func(PartFailure) Verdict
	// Report writes a report of the walk so far, as members of the result.
	Report func(*jsonval.Writer, Tally)
	// Refused makes a walk fail if every part of it was skipped.
	Refused bool
}

// Part is one list of a walk, or one list for each of its parents.
type Part struct {
	Name    string // unique: "users", "policies/PASSWORD"
	Kind    string // kind of the records; parts of one kind follow each other
	List    connector.List
	Parents *connector.List
	Blank   string // blank of the list's endpoint, for the key of a parent

	Distinct []string // as in abi.EmitOptions, for records of one parent that share a key
}

// PartFailure is a page of a walk that could not be read.
type PartFailure struct {
	connector.Result
	First    bool // no page of the part was read before
	OfParent bool // the page is of the list of one parent
}

// Verdict is what happens to a walk after a failure.
type Verdict int

const (
	Stop     Verdict = iota // the walk fails; it can be retried from its cursor
	SkipPart                // the part does not exist, or this token may not read it
	SkipKind                // the same for every part of the kind
	Vanished                // the parent is gone
	Missing                 // a part, or a list of a parent, could not be read to its end
)

// Tally lists what a walk left out.
type Tally struct {
	Skipped  []Lack // by part
	Missing  []Lack // by kind
	Vanished []Lack // by kind
	Limited  []Lack // kinds that PerKind cut
}

// Lack is something that a walk did not read.
type Lack struct {
	Of    string
	Count int
	Code  string
	Why   string
}

// position is where a walk resumes.
type position struct {
	part  int
	at    connector.Cursor // in the part's list, or in the first parent's list
	count int              // records of the kind so far

	begun     bool             // the first page of parents was read
	parents   []string         // keys of the parents whose lists are still to be read
	more      connector.Cursor // the next page of parents; without a link there is none
	forbidden bool             // the previous list was forbidden at every attempt
	alone     bool             // the next page makes one request and announces none
	Tally
}

// retryDelays are the waits before a list that failed with 500 is requested again, in milliseconds.
var retryDelays = [...]int64{1000, 3000}

// ReadPage is the Pager of a walk: one request, or more if it fails. A table reads several lists of parents in one page if
// the host sends announced reads in parallel.
func (w *Walk) ReadPage(c *connector.Call, at string, limit int) (connector.Result, int) {
	v, ok := c.OpenCursor(at)
	if !ok {
		return c.BadCursor(), 0
	}
	pos, ok := w.open(v)
	if !ok {
		return c.BadCursor(), 0
	}
	b := batch{limit: limit, alone: pos.alone || !c.Announces()}
	pos.alone = false
	for pos.part < len(w.Parts) {
		failed := w.step(c, &pos, &b)
		if failed != nil && b.steps > 0 { // the next call makes this request again, alone
			pos.alone = true
			break
		}
		if failed != nil {
			return *failed, b.records
		}
		if b.steps++; !w.goesOn(c, pos, b) {
			break
		}
	}
	r := w.result(c, pos)
	r.Warnings = b.warnings
	return r, b.records
}

// batch is what one page of a walk has read so far.
type batch struct {
	limit    int  // maximum number of records; 0 means all
	alone    bool // one request only, and none is announced
	steps    int  // pages of lists
	records  int
	warnings []string
}

// Limits of a batch. It ends after a list that passes one of them.
const (
	maxSteps   = 50    // pages of lists in a table's page
	maxRecords = 2_000 // records in a table's page
	ahead      = 8     // lists that are announced at a time
)

// left returns how many records the batch may still read.
func (b *batch) left(c *connector.Call) int {
	left := maxRecords - b.records
	if !c.Tabled {
		left = 1 << 30
	}
	if b.limit > 0 {
		left = min(left, b.limit-b.records)
	}
	return left
}

// goesOn reports whether the page reads another list. It continues inside a list only while other announced lists wait;
// otherwise the rest of the list is the next page of the table.
func (w *Walk) goesOn(c *connector.Call, pos position, b batch) bool {
	if !c.Tabled || b.alone || len(pos.parents) == 0 || b.left(c) <= 0 {
		return false
	}
	return pos.at == connector.Cursor{} && b.steps < maxSteps || len(c.Announced) > 0 && b.steps < 2*maxSteps
}

// announce announces the lists of the next parents whose records are wanted in any case.
func (w *Walk) announce(c *connector.Call, pos *position, b *batch) {
	p := &w.Parts[pos.part]
	left, size := b.left(c), p.List.PageSize(c)
	if size == 0 {
		size = 100 // a list whose pages the service sizes
	}
	if w.PerKind > 0 {
		left = min(left, w.PerKind-pos.count)
	}
	c.Announced = slices.DeleteFunc(c.Announced, func(parent string) bool { return !slices.Contains(pos.parents[1:], parent) })
	for _, parent := range pos.parents[1:] {
		if len(c.Announced) == ahead || (len(c.Announced)+2)*size > left || c.Tabled && b.steps+len(c.Announced)+1 >= maxSteps {
			return
		}
		if !slices.Contains(c.Announced, parent) {
			l := p.listOf(parent)
			c.Announce(&l)
			c.Announced = append(c.Announced, parent)
		}
	}
}

// listOf returns the list of a parent, or the only list of the part.
func (p *Part) listOf(parent string) connector.List {
	l := p.List
	l.Kind, l.Distinct = p.Kind, p.Distinct
	if p.Parents != nil {
		l.Parent = parent
		l.Filled = append(l.Filled[:len(l.Filled):len(l.Filled)], hostcall.Pair{Name: p.Blank, Value: parent})
	}
	return l
}

// step reads one page of a list, or the keys of the next parents. It returns the result of a failure that ends the walk.
func (w *Walk) step(c *connector.Call, pos *position, b *batch) *connector.Result {
	p := &w.Parts[pos.part]
	if p.Parents != nil && len(pos.parents) == 0 {
		return w.nextParents(c, pos, b)
	}
	parent := ""
	if p.Parents != nil {
		parent = pos.parents[0]
		if !b.alone && pos.at == (connector.Cursor{}) {
			w.announce(c, pos, b)
		}
	}
	l := p.listOf(parent)
	limit := 0
	if b.limit > 0 {
		limit = b.limit - b.records
	}
	if left := w.PerKind - pos.count; w.PerKind > 0 && (limit == 0 || left < limit) {
		limit = left
	}
	if pos.forbidden && !slices.Contains(c.Forbidden, l.Endpoint) {
		c.Forbidden = append(c.Forbidden, l.Endpoint)
	}
	r, next, n := readPatiently(c, &l, pos.at, limit)
	pos.forbidden = p.Parents != nil && slices.Contains(c.Forbidden, l.Endpoint)
	b.records += n
	if r.Outcome != abi.Succeeded {
		return w.fail(pos, b, PartFailure{r, pos.at == connector.Cursor{}, p.Parents != nil})
	}
	pos.count += n
	if next != nil {
		pos.at = *next
	} else {
		w.next(pos)
	}
	if w.PerKind > 0 && pos.count >= w.PerKind && pos.part < len(w.Parts) && w.Parts[pos.part].Kind == p.Kind {
		pos.Limited = append(pos.Limited, Lack{Of: p.Kind})
		w.nextKind(pos)
	}
	return nil
}

// readPatiently reads a page. If it fails with 500, it waits and reads the page again, because the walk would otherwise
// omit the rest of the list.
func readPatiently(c *connector.Call, l *connector.List, at connector.Cursor, limit int) (r connector.Result, next *connector.Cursor, n int) {
	r, next, n = l.Read(c, at, limit)
	for _, ms := range retryDelays {
		if r.Err == nil || r.Err.Upstream == nil || r.Err.Upstream.Status != 500 || l.MaxPage > 0 && c.Service.Errors.GaveUp != "" && r.Err.Upstream.Code == c.Service.Errors.GaveUp || !c.Wait(ms) {
			break // GaveUp: smaller pages were tried already
		}
		r, next, n = l.Read(c, at, limit)
	}
	return r, next, n
}

// nextParents reads the keys of the next parents.
func (w *Walk) nextParents(c *connector.Call, pos *position, b *batch) *connector.Result {
	keys, more, failed := w.Parts[pos.part].Parents.Keys(c, pos.more)
	if failed != nil {
		return w.fail(pos, b, PartFailure{*failed, !pos.begun, false})
	}
	pos.begun, pos.parents, pos.more = true, keys, more
	if len(keys) == 0 && more.Link == "" {
		w.nextPart(pos)
	}
	return nil
}

// fail continues after a page that could not be read, or returns the result that ends the walk.
func (w *Walk) fail(pos *position, b *batch, f PartFailure) *connector.Result {
	p := &w.Parts[pos.part]
	why := Lack{Of: p.Name, Count: 1, Code: f.Err.Code, Why: texts.ShortenTo(f.Err.Message, maxWhy)}
	warning := ""
	is := w.Judge(f)
	if is == SkipKind && pos.count > 0 { // the parts that were read are not skipped
		is = SkipPart
	}
	switch is {
	case Stop:
		return &f.Result
	case SkipPart:
		pos.Skipped = append(pos.Skipped, why)
		warning = p.Name + " is skipped: " + f.Err.Message
		w.nextPart(pos)
	case SkipKind:
		why.Of = p.Kind
		pos.Skipped = append(pos.Skipped, why)
		warning = p.Kind + " is skipped: " + f.Err.Message
		w.nextKind(pos)
	case Vanished:
		pos.Vanished = add(pos.Vanished, Lack{Of: p.Kind, Count: 1})
		w.next(pos)
	case Missing:
		why.Of = p.Kind
		pos.Missing = add(pos.Missing, why)
		warning = p.Name + " is not complete: " + f.Err.Message
		if f.OfParent {
			warning = p.Name + " of " + pos.parents[0] + ": " + f.Err.Message
			w.next(pos)
		} else {
			w.nextPart(pos)
		}
	}
	if w.Refused && len(pos.Skipped) == len(w.Parts) {
		return &f.Result
	}
	if warning != "" {
		b.warnings = append(b.warnings, warning)
	}
	return nil
}

// next goes to the next parent, or to the next part.
func (w *Walk) next(pos *position) {
	if pos.at = (connector.Cursor{}); len(pos.parents) > 0 {
		pos.parents = pos.parents[1:]
	}
	if len(pos.parents) == 0 && pos.more.Link == "" {
		w.nextPart(pos)
	}
}

//go:noinline
func (w *Walk) nextPart(pos *position) {
	kind := w.Parts[pos.part].Kind
	pos.part++
	pos.at, pos.begun, pos.parents, pos.more, pos.forbidden = connector.Cursor{}, false, nil, connector.Cursor{}, false
	if pos.part < len(w.Parts) && w.Parts[pos.part].Kind != kind {
		pos.count = 0
	}
}

func (w *Walk) nextKind(pos *position) {
	for from := pos.part; pos.part < len(w.Parts) && w.Parts[pos.part].Kind == w.Parts[from].Kind; {
		w.nextPart(pos)
	}
}

// result returns the result of one page of the walk.
func (w *Walk) result(c *connector.Call, pos position) connector.Result {
	r := connector.Result{Outcome: abi.Succeeded, List: true}
	var report jsonval.Writer
	w.Report(&report, pos.Tally)
	r.Output = report.String()
	if pos.part < len(w.Parts) {
		r.Cursor = c.SealCursor(func(m *jsonval.Writer) { w.members(m, pos) })
	}
	return r
}

// members writes a position into a cursor; open reads it.
func (w *Walk) members(m *jsonval.Writer, pos position) {
	m.Str("p", w.Parts[pos.part].Name)
	pos.at.Members(m)
	m.IntIf("n", int64(pos.count)).BoolIf("b", pos.begun).StrIf("g", pos.more.Link).IntIf("q", int64(pos.more.Small)).StrIf("u", string(pos.more.Trail)).BoolIf("r", pos.more.Circle).BoolIf("f", pos.forbidden).BoolIf("z", pos.alone)
	if len(pos.parents) > 0 {
		m.Strs("k", pos.parents)
	}
	for _, t := range pos.Tally.lists() {
		if len(*t.lacks) > 0 {
			m.Raw(t.name, texts.JSONArray(*t.lacks, Lack.json))
		}
	}
}

func (w *Walk) open(v jsonval.Value) (pos position, ok bool) {
	if !v.Exists() {
		return pos, true
	}
	pos.part = slices.IndexFunc(w.Parts, func(p Part) bool { return p.Name == v.Get("p").Str() })
	if pos.part < 0 || v.Get("n").Int() < 0 {
		return pos, false
	}
	pos.at = connector.ReadCursor(v)
	pos.count, pos.begun, pos.forbidden, pos.alone = int(v.Get("n").Int()), v.Get("b").True(), v.Get("f").True(), v.Get("z").True()
	pos.more = connector.Cursor{Link: v.Get("g").Str(), Small: int(v.Get("q").Int()), Trail: links.Trail(v.Get("u").Str()), Circle: v.Get("r").True()}
	for k := range v.Get("k").Elements() {
		pos.parents = append(pos.parents, k.Str())
	}
	for _, t := range pos.Tally.lists() {
		for e := range v.Get(t.name).Elements() {
			*t.lacks = append(*t.lacks, Lack{e.Get("of").Str(), int(e.Get("n").Int()), e.Get("code").Str(), e.Get("why").Str()})
		}
	}
	return pos, true
}

// namedLacks is a list of a tally with its name in a cursor.
type namedLacks struct {
	name  string
	lacks *[]Lack
}

func (t *Tally) lists() [4]namedLacks {
	return [...]namedLacks{{"x", &t.Skipped}, {"m", &t.Missing}, {"v", &t.Vanished}, {"t", &t.Limited}}
}

func (l Lack) json() string {
	var w jsonval.Writer
	return w.Str("of", l.Of).IntIf("n", int64(l.Count)).StrIf("code", l.Code).StrIf("why", l.Why).String()
}

// add adds l to the lacks. If one of them has the same Of, it adds the count to that one and keeps that one's reason.
func add(lacks []Lack, l Lack) []Lack {
	for i := range lacks {
		if lacks[i].Of == l.Of {
			lacks[i].Count += l.Count
			return lacks
		}
	}
	return append(lacks, l)
}

// maxWhy is the maximum size of a reason in a cursor, in bytes: a cursor must have room for a reason of every part. The
// warning has the whole text.
const maxWhy = 160

// CountJSON returns a JSON object with the count of each lack under its Of.
func CountJSON(lacks []Lack) string {
	var w jsonval.Writer
	for _, l := range lacks {
		w.Raw(l.Of, strconv.Itoa(l.Count))
	}
	return w.String()
}
