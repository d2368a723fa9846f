package okta

import (
	"slices"
	"strconv"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// walk reads lists one after another, a request a page. Its cursor goes on from any point: in the middle of a page, of
// a list, of the parents of a list.
type walk struct {
	parts   []part
	perKind int // most records of one kind; 0 is all

	// judge says what a failure means for the rest of the walk.
	judge func(failure) verdict
	// says writes what there is to say of the walk so far, as members of the result.
	says func(*jsonval.Writer, tally)
	// refused makes a walk whose every part was skipped a refusal.
	refused bool
}

// part is one list of a walk, or one list for each of its parents.
type part struct {
	name    string // of this part alone: "users", "policies/PASSWORD"
	kind    string // of the records; parts of one kind stand together
	list    list
	parents *list
	blank   string // of the list's endpoint: a parent's key
}

// failure is a page of a walk that could not be read.
type failure struct {
	result
	first    bool // nothing of the part was read before
	ofParent bool // the page is of one parent's list
}

// verdict is what becomes of a walk after a failure.
type verdict int

const (
	stop     verdict = iota // the walk fails; its cursor may be tried again
	skipPart                // the org does not have the part, or does not give it to this token
	skipKind                // the same of every part of the kind
	vanished                // the parent is gone
	missing                 // a part, or a parent's list, or the rest of it, could not be read
)

// tally is what a walk has to say besides its records.
type tally struct {
	skipped  []lack // by part
	missing  []lack // by kind
	vanished []lack // by kind
	limited  []lack // kinds that perKind cut
}

// lack is something that a walk did not bring.
type lack struct {
	of    string
	count int
	code  string
	why   string
}

// position is where a walk goes on.
type position struct {
	part  int
	at    cursor // in the part's list: of the first of parents, where it has them
	count int    // records of the kind so far

	begun   bool     // the parents' first page was read
	parents []string // keys of the parents whose lists are still to be read
	more    cursor   // the parents' next page; no link is none
	barred  bool     // the list before was forbidden, however often it was asked for
	tally
}

// retryDelays are the waits before a list that failed with 500 is asked for again, in milliseconds.
var retryDelays = [...]int64{1000, 3000}

// page is the pager of a walk: one request, but where it fails.
func (w *walk) page(c *call, at string, limit int) (result, int) {
	v, ok := c.openCursor(at)
	if !ok {
		return c.badCursor(), 0
	}
	pos, ok := w.open(v)
	if !ok {
		return c.badCursor(), 0
	}
	if pos.part == len(w.parts) {
		return w.result(c, pos, ""), 0
	}
	p := &w.parts[pos.part]
	if p.parents != nil && len(pos.parents) == 0 {
		return w.nextParents(c, pos), 0
	}
	l := p.list
	if p.parents != nil {
		l.parent = pos.parents[0]
		l.filled = append(l.filled, hostcall.Pair{Name: p.blank, Value: l.parent})
	}
	if left := w.perKind - pos.count; w.perKind > 0 && (limit == 0 || left < limit) {
		limit = left
	}
	if pos.barred && !slices.Contains(c.barred, l.endpoint) {
		c.barred = append(c.barred, l.endpoint)
	}
	r, next, n := l.read(c, pos.at, limit)
	pos.barred = p.parents != nil && slices.Contains(c.barred, l.endpoint)
	for _, ms := range retryDelays { // a server's error that lasts leaves the rest of the kind out, for good
		if r.err == nil || r.err.Upstream == nil || r.err.Upstream.Status != 500 || l.maxPage > 0 && r.err.Upstream.Code == tookTooLong || !c.Wait(ms) {
			break // smaller pages were asked for already where the endpoint has pages
		}
		r, next, n = l.read(c, pos.at, limit)
	}
	if r.outcome != abi.Succeeded {
		return w.fail(c, pos, failure{r, pos.at == cursor{}, p.parents != nil}), n
	}
	pos.count += n
	if next != nil {
		pos.at = *next
	} else {
		w.next(&pos)
	}
	if w.perKind > 0 && pos.count >= w.perKind && pos.part < len(w.parts) && w.parts[pos.part].kind == p.kind {
		pos.limited = append(pos.limited, lack{of: p.kind})
		w.nextKind(&pos)
	}
	return w.result(c, pos, ""), n
}

// nextParents reads the keys of the next parents.
func (w *walk) nextParents(c *call, pos position) result {
	keys, more, failed := w.parts[pos.part].parents.keys(c, pos.more)
	if failed != nil {
		return w.fail(c, pos, failure{*failed, !pos.begun, false})
	}
	pos.begun, pos.parents, pos.more = true, keys, more
	if len(keys) == 0 && more.link == "" {
		w.nextPart(&pos)
	}
	return w.result(c, pos, "")
}

// fail goes on behind what could not be read, or does not.
func (w *walk) fail(c *call, pos position, f failure) result {
	p := &w.parts[pos.part]
	why := lack{of: p.name, count: 1, code: f.err.Code, why: shorten(f.err.Message)}
	warning := ""
	is := w.judge(f)
	if is == skipKind && pos.count > 0 { // what was read of the kind is no part that the token may not read
		is = skipPart
	}
	switch is {
	case stop:
		return f.result
	case skipPart:
		pos.skipped = append(pos.skipped, why)
		warning = p.name + " is skipped: " + f.err.Message
		w.nextPart(&pos)
	case skipKind:
		why.of = p.kind
		pos.skipped = append(pos.skipped, why)
		warning = p.kind + " is skipped: " + f.err.Message
		w.nextKind(&pos)
	case vanished:
		pos.vanished = add(pos.vanished, lack{of: p.kind, count: 1})
		w.next(&pos)
	case missing:
		why.of = p.kind
		pos.missing = add(pos.missing, why)
		warning = p.name + " is not complete: " + f.err.Message
		if f.ofParent {
			warning = p.name + " of " + pos.parents[0] + ": " + f.err.Message
			w.next(&pos)
		} else {
			w.nextPart(&pos)
		}
	}
	if w.refused && len(pos.skipped) == len(w.parts) {
		return f.result
	}
	return w.result(c, pos, warning)
}

// next goes on with the next parent, else the next part.
func (w *walk) next(pos *position) {
	if pos.at = (cursor{}); len(pos.parents) > 0 {
		pos.parents = pos.parents[1:]
	}
	if len(pos.parents) == 0 && pos.more.link == "" {
		w.nextPart(pos)
	}
}

func (w *walk) nextPart(pos *position) {
	kind := w.parts[pos.part].kind
	pos.part++
	pos.at, pos.begun, pos.parents, pos.more, pos.barred = cursor{}, false, nil, cursor{}, false
	if pos.part < len(w.parts) && w.parts[pos.part].kind != kind {
		pos.count = 0
	}
}

func (w *walk) nextKind(pos *position) {
	for from := pos.part; pos.part < len(w.parts) && w.parts[pos.part].kind == w.parts[from].kind; {
		w.nextPart(pos)
	}
}

// result is what one page of a walk comes to.
func (w *walk) result(c *call, pos position, warning string) result {
	r := result{outcome: abi.Succeeded, list: true}
	var says jsonval.Writer
	w.says(&says, pos.tally)
	r.output = says.String()
	if warning != "" {
		r.warnings = []string{warning}
	}
	if pos.part < len(w.parts) {
		r.cursor = c.sealCursor(func(m *jsonval.Writer) { w.members(m, pos) })
	}
	return r
}

// members writes a position into a cursor, and open reads it.
func (w *walk) members(m *jsonval.Writer, pos position) {
	m.Str("p", w.parts[pos.part].name)
	pos.at.members(m)
	m.IntIf("n", int64(pos.count)).BoolIf("b", pos.begun).StrIf("g", pos.more.link).IntIf("q", int64(pos.more.small)).StrIf("u", string(pos.more.trail)).BoolIf("r", pos.more.circle).BoolIf("f", pos.barred)
	if len(pos.parents) > 0 {
		m.Strs("k", pos.parents)
	}
	for _, t := range pos.tally.lists() {
		if len(*t.lacks) > 0 {
			m.Raw(t.name, array(*t.lacks, lack.json))
		}
	}
}

func (w *walk) open(v jsonval.Value) (pos position, ok bool) {
	if !v.Exists() {
		return pos, true
	}
	pos.part = slices.IndexFunc(w.parts, func(p part) bool { return p.name == v.Get("p").Str() })
	if pos.part < 0 || v.Get("n").Int() < 0 {
		return pos, false
	}
	pos.at = readCursor(v)
	pos.count, pos.begun, pos.barred = int(v.Get("n").Int()), v.Get("b").True(), v.Get("f").True()
	pos.more = cursor{link: v.Get("g").Str(), small: int(v.Get("q").Int()), trail: trail(v.Get("u").Str()), circle: v.Get("r").True()}
	for k := range v.Get("k").Elements() {
		pos.parents = append(pos.parents, k.Str())
	}
	for _, t := range pos.tally.lists() {
		for e := range v.Get(t.name).Elements() {
			*t.lacks = append(*t.lacks, lack{e.Get("of").Str(), int(e.Get("n").Int()), e.Get("code").Str(), e.Get("why").Str()})
		}
	}
	return pos, true
}

// namedLacks is a list of a tally and its name in a cursor.
type namedLacks struct {
	name  string
	lacks *[]lack
}

func (t *tally) lists() [4]namedLacks {
	return [...]namedLacks{{"x", &t.skipped}, {"m", &t.missing}, {"v", &t.vanished}, {"t", &t.limited}}
}

func (l lack) json() string {
	var w jsonval.Writer
	return w.Str("of", l.of).IntIf("n", int64(l.count)).StrIf("code", l.code).StrIf("why", l.why).String()
}

// add counts l among those of its kind; the first tells why.
func add(lacks []lack, l lack) []lack {
	for i := range lacks {
		if lacks[i].of == l.of {
			lacks[i].count += l.count
			return lacks
		}
	}
	return append(lacks, l)
}

// maxWhy bounds a reason in a cursor, in bytes: a cursor has room for one of every part. The whole stands in a warning.
const maxWhy = 160

func shorten(s string) string {
	if len(s) <= maxWhy {
		return s
	}
	return strings.ToValidUTF8(s[:maxWhy], "") + "…"
}

// countJSON is the counts of lacks by what they are of.
func countJSON(lacks []lack) string {
	var w jsonval.Writer
	for _, l := range lacks {
		w.Raw(l.of, strconv.Itoa(l.count))
	}
	return w.String()
}
