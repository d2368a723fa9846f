package invented

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mach5/okta-connector/host/hosttest"
)

// TimeLayout is the service's format of times.
const TimeLayout = "02.01.2006 15:04:05"

// Window is the time for which a quota counts requests.
const Window = 10 * time.Second

// Depot is the simulated service. The zero value is empty and has no rate limit. Its methods are safe for concurrent use.
type Depot struct {
	// Key is the credential that it accepts; default hosttest.Token.
	Key string
	// Now returns its time; default time.Now.
	Now func() time.Time
	// Quota is the number of requests in a Window; 0 means no limit.
	Quota int
	// Lose closes the connection of each write, after or before the write takes effect.
	Lose Lost

	// Note is the length of a note in each movement; 0 means that they have none.
	Note int
	// Marker begins each mark of the log of movements. A mark is a place in the log.
	Marker string

	faults faults
	mu     sync.Mutex // guards what follows
	items  map[string]*stored
	log    log
	counts counts
	window window
}

// counts are the requests and writes so far.
type counts struct {
	requests int
	asked    map[string]int // by method and path
	writes   int            // that took effect
}

// window is the window of the quota.
type window struct {
	began time.Time
	used  int
}

// Lost says which answers are lost.
type Lost int

// The answers that are lost.
const (
	None        Lost = iota
	AfterWrite       // the answer of a write that took effect
	BeforeWrite      // the answer of a write that does not take effect
)

type stored struct {
	sku, shelf, label string
	weight            float64
	changed           time.Time
	rev               int
}

// Put adds or moves an item, like another client.
func (d *Depot) Put(sku, shelf string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.put(sku, shelf)
}

func (d *Depot) put(sku, shelf string) {
	if d.items == nil {
		d.items = map[string]*stored{}
	}
	it := d.items[sku]
	if it == nil {
		it = &stored{sku: sku, weight: float64(len(sku)) / 4}
		d.items[sku] = it
	}
	it.shelf, it.changed = shelf, d.now()
	it.rev++
	d.record(sku, shelf, it.changed)
}

// Label sets the label of an item.
func (d *Depot) Label(sku, label string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.items[sku].label = label
}

// Shelf returns the shelf of an item, or "" if the item does not exist.
func (d *Depot) Shelf(sku string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if it := d.items[sku]; it != nil {
		return it.shelf
	}
	return ""
}

// Requests returns the number of requests that came in.
func (d *Depot) Requests() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts.requests
}

// Writes returns the number of writes that took effect.
func (d *Depot) Writes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts.writes
}

func (d *Depot) now() time.Time {
	if d.Now != nil {
		return d.Now().UTC()
	}
	return time.Now().UTC()
}

// Count returns the number of requests of a method and path, such as GET /v2/movements.
func (d *Depot) Count(request string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts.asked[request]
}

// ServeHTTP implements http.Handler.
func (d *Depot) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := d.faults.pick(r)
	if f.Wait > 0 {
		select {
		case <-time.After(f.Wait):
		case <-r.Context().Done():
		}
	}
	if f.Kind == Cut {
		cut(w, r, func(w http.ResponseWriter, r *http.Request) { d.answer(w, r, f) })
	}
	d.answer(w, r, f)
}

// answer answers a request.
func (d *Depot) answer(w http.ResponseWriter, r *http.Request, f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts.requests++
	if d.counts.asked == nil {
		d.counts.asked = map[string]int{}
	}
	d.counts.asked[r.Method+" "+r.URL.Path]++
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Depot-Trace", "trace-"+strconv.Itoa(d.counts.requests))
	h.Set("Date", d.now().Format(http.TimeFormat))
	key := d.Key
	if key == "" {
		key = hosttest.Token
	}
	if r.Header.Get("X-Depot-Key") != key || r.Header.Get("Authorization") != "" {
		fault(w, http.StatusUnauthorized, "bad_key", "the key is not valid")
		return
	}
	if d.fail(w, f) {
		return
	}
	if !d.count(h) {
		fault(w, http.StatusTooManyRequests, "slow_down", "the quota is used up")
		return
	}
	if r.Method == http.MethodGet {
		d.read(w, r, f)
		return
	}
	if d.Lose == BeforeWrite {
		panic(http.ErrAbortHandler)
	}
	before := d.counts.writes
	d.write(w, r)
	if d.Lose == AfterWrite && d.counts.writes > before {
		panic(http.ErrAbortHandler)
	}
}

// count counts a request in the window, and reports whether the quota allows it.
func (d *Depot) count(h http.Header) bool {
	if d.Quota == 0 {
		return true
	}
	now := d.now()
	if now.Sub(d.window.began) >= Window {
		d.window = window{began: now}
	}
	d.window.used++
	h.Set("Depot-Quota", strconv.Itoa(d.Quota))
	h.Set("Depot-Quota-Left", strconv.Itoa(max(0, d.Quota-d.window.used)))
	h.Set("Depot-Quota-Renews-In", strconv.Itoa(int((Window-now.Sub(d.window.began)+time.Second-1)/time.Second)))
	return d.window.used <= d.Quota
}

func fault(w http.ResponseWriter, status int, kind, text string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"fault":{"kind":%q,"text":%q}}`, kind, text)
}

func (d *Depot) read(w http.ResponseWriter, r *http.Request, f Fault) {
	sku, one := strings.CutPrefix(r.URL.Path, "/v2/items/")
	switch {
	case one && d.items[sku] == nil:
		fault(w, http.StatusNotFound, "no_such_item", "there is no item "+sku)
	case one:
		w.Header().Set("ETag", d.items[sku].etag())
		_, _ = fmt.Fprint(w, d.items[sku])
	case r.URL.Path == "/v2/items":
		d.list(w, r)
	case r.URL.Path == "/v2/movements":
		d.poll(w, r, f.Kind == Repeat)
	case r.URL.Path == "/v2/history":
		d.history(w, r)
	case r.URL.Path == "/v2/stock":
		q := r.URL.Query()
		_, _ = fmt.Fprintf(w, `{"stock":[%s]}`, strings.Join(d.numbered(q.Get("offset"), q.Get("page_size"), `{"entry":{"no":%d},"sku":%q}`), ","))
	case r.URL.Path == "/v2/boxes":
		q := r.URL.Query()
		page, _ := strconv.Atoi(q.Get("page"))
		size, _ := strconv.Atoi(q.Get("page_size"))
		_, _ = fmt.Fprintf(w, `[%s]`, strings.Join(d.numbered(strconv.Itoa(max(0, page-1)*size), q.Get("page_size"), `{"no":%d,"sku":%q}`), ","))
	case r.URL.Path == "/v2/self":
		_, _ = fmt.Fprint(w, `{"key":{"id":"key-1","owner":"the tests"}}`)
	default:
		fault(w, http.StatusNotFound, "no_such_page", r.URL.Path)
	}
}

// numbered returns a page of the items in the order of their SKUs, each with its number.
func (d *Depot) numbered(offset, size, format string) (page []string) {
	from, _ := strconv.Atoi(offset)
	most, _ := strconv.Atoi(size)
	for i, sku := range slices.Sorted(maps.Keys(d.items)) {
		if i >= from && len(page) < most {
			page = append(page, fmt.Sprintf(format, i+1, sku))
		}
	}
	return page
}

func (d *Depot) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	var found []string
	for _, sku := range slices.Sorted(maps.Keys(d.items)) {
		if shelf := q.Get("shelf"); (shelf == "" || shelf == d.items[sku].shelf) && sku > q.Get("continue") {
			found = append(found, sku)
		}
	}
	page, next := paged(found, r, func(last string) string { return last })
	for i, sku := range page {
		page[i] = d.items[sku].String()
	}
	_, _ = fmt.Fprintf(w, `{"data":{"items":[%s]},"paging":{"continue":%q}}`, strings.Join(page, ","), next)
}

// noMore is the cursor on the last page.
const noMore = "end"

// sizeOf returns the page size that a request wants.
func sizeOf(r *http.Request) int {
	size, err := strconv.Atoi(r.URL.Query().Get("page_size"))
	if err != nil {
		return 20
	}
	return size
}

// paged returns the first page of all, and the cursor of the next one.
func paged(all []string, r *http.Request, cursor func(last string) string) (page []string, next string) {
	size := sizeOf(r)
	if len(all) <= size {
		return slices.Clone(all), noMore
	}
	return slices.Clone(all[:size]), cursor(all[size-1])
}

func (d *Depot) write(w http.ResponseWriter, r *http.Request) {
	var body struct {
		SKU   string
		Place struct{ Shelf string }
		Burn  bool
	}
	if r.Method != http.MethodDelete {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Place.Shelf == "" || body.Burn != (body.Place.Shelf == "furnace") {
			fault(w, http.StatusBadRequest, "bad_body", "want place.shelf, and burn with the furnace alone")
			return
		}
	}
	sku, one := strings.CutPrefix(r.URL.Path, "/v2/items/")
	it := d.items[sku]
	switch {
	case !one && r.Method == http.MethodPost && d.items[body.SKU] != nil:
		fault(w, http.StatusConflict, "sku_taken", "there is an item "+body.SKU)
	case !one && r.Method == http.MethodPost:
		d.counts.writes++
		d.put(body.SKU, body.Place.Shelf)
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprint(w, d.items[body.SKU])
	case it == nil:
		fault(w, http.StatusNotFound, "no_such_item", "there is no item "+sku)
	case r.Header.Get("If-Match") != it.etag():
		fault(w, http.StatusPreconditionFailed, "changed_meanwhile", "another client changed the item")
	case r.Method == http.MethodPatch:
		d.counts.writes++
		d.put(sku, body.Place.Shelf)
		_, _ = fmt.Fprint(w, it)
	case r.Method == http.MethodDelete:
		d.counts.writes++
		delete(d.items, sku)
		w.WriteHeader(http.StatusNoContent)
	default:
		fault(w, http.StatusMethodNotAllowed, "no_such_method", r.Method)
	}
}

func (s *stored) etag() string { return `"` + strconv.Itoa(s.rev) + `"` }

// String returns the item as the service answers it.
func (s *stored) String() string {
	label := ""
	if s.label != "" {
		label = fmt.Sprintf(`"label":%q,`, s.label)
	}
	return fmt.Sprintf(`{"sku":%q,%s"place":{"shelf":%q},"weight":%g,"changed":%q}`, s.sku, label, s.shelf, s.weight, s.changed.Format(TimeLayout))
}
