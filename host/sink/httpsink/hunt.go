package httpsink

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"regexp"
	"strings"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sink"
)

// sameFailures counts equal 5xx answers in a row to the same batch, across its retries.
type sameFailures struct {
	key         string // of the first record of the batch
	status      int
	count, next int
	text        string // of the last answer, without its varying parts
	texts       int    // answers in a row with this text
}

// mostEqual is how many equal answers a batch gets before an empty request shows whether the service fails for
// everything.
const mostEqual = 8

// again counts an answer, and reports whether it is time to search for the bad record: after 3 answers of the same
// status, then less and less often, and once after mostEqual.
func (f *sameFailures) again(batch []host.Record, answer passing) bool {
	if answer.status < 500 || answer.status != f.status || batch[0].Key != f.key {
		*f = sameFailures{key: strings.Clone(batch[0].Key), status: answer.status, next: 3}
	}
	f.count++
	if text := varying.ReplaceAllString(answer.why.Error(), "x"); text != f.text {
		f.text, f.texts = text, 0
	}
	f.texts++
	if answer.status < 500 || f.count < f.next {
		return answer.status >= 500 && f.count == mostEqual
	}
	f.next *= 2
	return true
}

// hunt is the search for the records at which a service fails. Some services answer 500 to a whole batch for one bad
// record.
type hunt struct {
	status   int
	requests int           // failed ones
	took     bool          // the service took records during the search
	works    bool          // the service took an empty request
	left     []host.Record // neither taken nor refused
	suspects []Refusal     // records that failed alone
}

// hunt sends a batch in halves, and halves again those that fail. A record that fails alone is refused if the service
// took others meanwhile. If it took none, a record that it took before is sent once more. If it never took any, it gets
// an empty request after mostEqual equal answers. If that fails in the same way, the service is at fault. No record is
// refused for a status of a gateway.
func (s *Sink) hunt(ctx context.Context, batch []host.Record, answer passing) (*hunt, error) {
	h := &hunt{status: answer.status}
	gateway := ofGateway(h.status)
	if !gateway && !answer.each && len(s.good.JSON) == 0 && s.same.count >= mostEqual {
		h.works = s.works(ctx)
	}
	if len(batch) == 1 {
		h.suspects = []Refusal{{Status: answer.status, Reason: answer.why.Error(), Record: batch[0]}}
	} else if err := s.halve(ctx, h, batch); err != nil {
		return h, err
	}
	if !h.took && !gateway && len(h.suspects) > 0 && ctx.Err() == nil && len(s.good.JSON) > 0 {
		_, refused, err := s.once(ctx, []host.Record{s.good})
		h.took = err == nil && len(refused) == 0
	}
	if !h.took && !h.works {
		h.left = batch
		return h, nil
	}
	if !h.took {
		s.emptyTaken = true
	}
	for _, r := range h.suspects {
		alone := []host.Record{r.Record}
		if gateway {
			h.left = append(h.left, alone...)
			continue
		}
		err := s.part(ctx, h, alone, func([]host.Record) error { return s.refuse([]Refusal{r}, len(batch)) })
		if err != nil {
			return h, err
		}
	}
	return h, nil
}

// works sends an empty request, and reports whether the service answers it differently from the records: then it works.
// If its answers to the records differ from each other, the text is not compared.
func (s *Sink) works(ctx context.Context) bool {
	_, _, err := s.request(ctx, nil, s.authorization.get(ctx))
	var p passing
	switch {
	case err == nil:
		return true
	case errors.As(err, &p):
		return p.status >= 500 && !ofGateway(p.status) && s.same.texts >= mostEqual && varying.ReplaceAllString(p.why.Error(), "x") != s.same.text
	}
	var d sink.DoubtfulError
	return !errors.As(err, &d)
}

// halve sends both halves of a batch.
func (s *Sink) halve(ctx context.Context, h *hunt, batch []host.Record) error {
	half := len(batch) / 2
	for _, part := range [][]host.Record{batch[:half], batch[half:]} {
		most := 2*bits.Len(uint(len(batch))) + 8
		if !h.took && !h.works && h.requests > most || ctx.Err() != nil {
			h.left = append(h.left, part...)
			continue
		}
		err := s.part(ctx, h, part, func(part []host.Record) error {
			if len(part) > 1 {
				return s.halve(ctx, h, part)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// part sends a part of a batch. It calls failed with the records that fail as the batch did.
func (s *Sink) part(ctx context.Context, h *hunt, part []host.Record, failed func([]host.Record) error) error {
	left, refused, err := s.once(ctx, part)
	if err := s.refuse(refused, len(part)); err != nil {
		return err
	}
	var p passing
	switch {
	case err == nil:
		h.took = h.took || len(refused) < len(part)
	case errors.As(err, &p) && p.status == h.status:
		h.requests++
		if len(left) < len(part) { // the others have a final answer
			h.took = h.took || len(left)+len(refused) < len(part)
			return s.part(ctx, h, left, failed)
		}
		if before := len(h.suspects); len(part) == 1 && !h.suspected(part[0]) {
			h.suspects = append(h.suspects[:before:before], Refusal{Status: p.status, Reason: p.why.Error(), Record: part[0]})
			if !h.took && len(h.suspects) >= suspicious {
				return fmt.Errorf("%w: %s: %w; %s", sink.ErrRefused, s.name, allRefused(len(h.suspects), h.suspects[0]), sink.NotCheckpointed)
			}
			return nil
		}
		return failed(part)
	case errors.As(err, &p), errors.Is(err, errTooLarge):
		h.left = append(h.left, left...)
	default:
		return fmt.Errorf("%w: %s: %w; %s", sink.ErrRefused, s.name, err, sink.NotCheckpointed)
	}
	return nil
}

// suspected reports whether a record has failed alone already.
func (h *hunt) suspected(r host.Record) bool {
	for _, s := range h.suspects {
		if len(s.Record.JSON) > 0 && len(r.JSON) > 0 && &s.Record.JSON[0] == &r.JSON[0] {
			return true
		}
	}
	return false
}

// streak counts records in a row, across pages, that were all refused for the same reason.
type streak struct {
	reason string
	count  int
}

const (
	// suspicious is the page size from which it would be odd if the service refused every record for its content.
	suspicious = 100
	// sameReason is how many records in a row may be refused for the same reason, if no other is taken.
	sameReason = 3
)

// varying matches the parts in which the same refusal of two records differs.
var varying = regexp.MustCompile(`'[^']*'|"[^"]*"|[0-9]+`)

// add counts the refused records of a page of this size. It returns an error if the records are hardly at fault. shown
// says that the service took an empty request while it refused these: then one page of them is the records' fault.
func (t *streak) add(refused []Refusal, of int, shown bool) error {
	if len(refused) < of || of == 0 {
		if of > 0 {
			*t = streak{}
		}
		return nil
	}
	for _, r := range refused {
		reason := fmt.Sprint(r.Status, r.Type, varying.ReplaceAllString(r.Reason, "x"))
		if reason != t.reason {
			*t = streak{reason: reason}
		}
		t.count++
	}
	switch {
	case of >= suspicious:
		return allRefused(of, refused[0])
	case shown && t.count == of:
	case t.count >= max(sameReason, of):
		n := t.count
		t.count -= of // the page comes again
		return fmt.Errorf("%d records in a row were refused for the same reason, and none was taken, the last: %s: that is hardly the records' fault: "+
			"correct what they are sent to", n, refused[len(refused)-1])
	}
	return nil
}

// allRefused returns the error for n records of a page that are all refused.
func allRefused(n int, first Refusal) error {
	return fmt.Errorf("%d records in a row were refused, and none was taken, the first: %s: that is hardly the records' fault: "+
		"correct what they are sent to", n, first)
}
