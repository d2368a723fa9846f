//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// errLimit is wrapped by the error of a statement that exceeds one of its limits.
var errLimit = wire.ErrLimit

// query is the run of one statement, as far as the connections are concerned.
type query struct {
	ctx    context.Context
	cancel context.CancelFunc

	preparing bool // it makes the schemas

	limits Limits
	timer  *time.Timer // ends it after limits.Time
	pages  atomic.Int64

	mu   sync.Mutex
	errs []error // that DuckDB was given; it keeps their texts alone

	counting sync.Mutex
	counts   map[string]*Count

	warning sync.Mutex
	warn    func(operation, warning string)
	warned  map[[2]string]bool
}

func newQuery(ctx context.Context, limits Limits, warn func(operation, warning string)) *query {
	q := &query{limits: limits, warn: warn}
	ctx, cancel := context.WithCancelCause(ctx)
	q.ctx, q.cancel = ctx, func() { cancel(nil) }
	q.timer = time.AfterFunc(limits.Time, func() {
		cancel(fmt.Errorf("%w: it ran for %s, the most that a statement may (--max-time)", errLimit, limits.Time))
	})
	return q
}

// next returns the next page of rows. Each is at least one request, so that the limit of pages bounds what a statement
// costs.
func (q *query) next(operation string, rows *host.Rows) ([]json.RawMessage, error) {
	if rows.Ended() {
		return nil, nil
	}
	if q.pages.Add(1) > int64(q.limits.Pages) {
		return nil, fmt.Errorf("%w: it read %s, the most that a statement may. A WHERE that the service can answer, or a LIMIT, "+
			"reads less: EXPLAIN shows what is asked for. --max-pages allows more", errLimit, pagesText(q.limits.Pages))
	}
	before := rows.Requests()
	page, err := rows.Next()
	q.counting.Lock()
	defer q.counting.Unlock()
	if q.counts == nil {
		q.counts = map[string]*Count{}
	}
	if q.counts[operation] == nil {
		q.counts[operation] = &Count{Operation: operation}
	}
	count := q.counts[operation]
	count.Requests, count.Pages, count.Rows = count.Requests+rows.Requests()-before, count.Pages+1, count.Rows+len(page)
	if count.Pages%progressEvery == 0 && err == nil {
		q.say(operation, fmt.Sprintf("%d rows so far, in %d pages", count.Rows, count.Pages))
	}
	return page, err
}

// pagesText says how many pages or objects a statement read.
func pagesText(n int) string {
	if n == 1 {
		return "1 page or object"
	}
	return fmt.Sprintf("%d pages and objects", n)
}

// progressEvery is after how many pages of an operation a statement says how far it is.
const progressEvery = 100

// stats returns what the statement has read so far, by operation.
func (q *query) stats() []Count {
	q.counting.Lock()
	defer q.counting.Unlock()
	var all []Count
	for _, name := range slices.Sorted(maps.Keys(q.counts)) {
		all = append(all, *q.counts[name])
	}
	return all
}

// say gives a hint, once a statement.
func (q *query) say(operation, hint string) {
	if warn := q.warner(operation); warn != nil {
		warn(hint)
	}
}

// warner takes the warnings of an operation, nil where the caller takes none.
func (q *query) warner(operation string) func(string) {
	if q.warn == nil {
		return nil
	}
	return func(warning string) {
		q.warning.Lock()
		defer q.warning.Unlock()
		key := [2]string{operation, warning}
		if q.warned[key] {
			return
		}
		if q.warned == nil {
			q.warned = map[[2]string]bool{}
		}
		q.warned[key] = true
		q.warn(operation, warning)
	}
}

// maxErrors is how many errors a query remembers: one is reported in the end.
const maxErrors = 100

// fail notes an error that DuckDB is about to be given.
func (q *query) fail(err error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.errs) < maxErrors || errors.Is(err, errLimit) {
		q.errs = append(q.errs, err)
	}
	return err
}

// cause returns the error behind what DuckDB reports.
func (q *query) cause(reported error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, err := range q.errs {
		if strings.Contains(reported.Error(), err.Error()) {
			return err
		}
	}
	return nil
}

// end stops what still runs for the statement.
func (q *query) end() {
	q.timer.Stop()
	q.cancel()
}

// Context, Answered and Cancel implement process.Statement.
func (q *query) Context() context.Context { return q.ctx }

// Answered stops the time: the result is all here, and how long it is looked at is the caller's.
func (q *query) Answered() { q.timer.Stop() }

// Cancel stops what still runs.
func (q *query) Cancel() { q.cancel() }
