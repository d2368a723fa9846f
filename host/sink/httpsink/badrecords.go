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

// sameFailures counts consecutive equal 5xx answers to the same batch, across its retries.
type sameFailures struct {
	key         string // key of the first record of the batch
	status      int
	count, next int
	text        string // text of the last answer, without its varying parts
	texts       int    // consecutive answers with this text
}

// maxEqual is the number of equal answers after which an empty request checks whether the service fails for every
// request.
const maxEqual = 8

// addAnswer counts an answer, and reports whether to search for the bad record now. That is after 3 answers with the
// same status, then at doubling intervals, and once after maxEqual.
func (f *sameFailures) addAnswer(batch []host.Record, answer temporaryError) bool {
	if answer.status < 500 || answer.status != f.status || batch[0].Key != f.key {
		*f = sameFailures{key: strings.Clone(batch[0].Key), status: answer.status, next: 3}
	}
	f.count++
	if text := varying.ReplaceAllString(answer.why.Error(), "x"); text != f.text {
		f.text, f.texts = text, 0
	}
	f.texts++
	if answer.status < 500 || f.count < f.next {
		return answer.status >= 500 && f.count == maxEqual
	}
	f.next *= 2
	return true
}

// badRecordSearch is a search for the records that make a service fail. Some services answer 500 to a whole batch
// because of one bad record.
type badRecordSearch struct {
	status   int
	requests int           // failed requests
	took     bool          // the service accepted records during the search
	works    bool          // the service accepted an empty request
	left     []host.Record // records that are neither accepted nor refused
	suspects []Refusal     // records that failed alone
}

// findBadRecords sends a batch in halves, and splits the halves that fail. A record that fails alone counts as refused
// if the service accepted others meanwhile. If it accepted none, a record that it accepted earlier is sent once more. If
// it never accepted any, it gets an empty request after maxEqual equal answers. If that fails in the same way, the
// service is the cause. No record is refused because of a gateway's status.
func (s *Sink) findBadRecords(ctx context.Context, batch []host.Record, answer temporaryError) (*badRecordSearch, error) {
	h := &badRecordSearch{status: answer.status}
	gateway := isGatewayStatus(h.status)
	if !gateway && !answer.each && len(s.good.JSON) == 0 && s.same.count >= maxEqual {
		h.works = s.probeEmpty(ctx)
	}
	if len(batch) == 1 {
		h.suspects = []Refusal{{Status: answer.status, Reason: answer.why.Error(), Record: batch[0]}}
	} else if err := s.halve(ctx, h, batch); err != nil {
		return h, err
	}
	if !h.took && !gateway && len(h.suspects) > 0 && ctx.Err() == nil && len(s.good.JSON) > 0 {
		_, refused, err := s.sendOnce(ctx, []host.Record{s.good})
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
		err := s.sendPart(ctx, h, alone, func([]host.Record) error { return s.refuse([]Refusal{r}, len(batch)) })
		if err != nil {
			return h, err
		}
	}
	return h, nil
}

// probeEmpty sends an empty request and reports whether the service answers it differently from the records. Then the
// service works. If its answers to the records differ from each other, their text is not compared.
func (s *Sink) probeEmpty(ctx context.Context) bool {
	_, _, err := s.request(ctx, nil, s.authorization.get(ctx))
	var p temporaryError
	switch {
	case err == nil:
		return true
	case errors.As(err, &p):
		return p.status >= 500 && !isGatewayStatus(p.status) && s.same.texts >= maxEqual && varying.ReplaceAllString(p.why.Error(), "x") != s.same.text
	}
	var d sink.DoubtfulError
	return !errors.As(err, &d)
}

// halve sends both halves of a batch, and splits the halves that fail.
func (s *Sink) halve(ctx context.Context, h *badRecordSearch, batch []host.Record) error {
	half := len(batch) / 2
	for _, part := range [][]host.Record{batch[:half], batch[half:]} {
		most := 2*bits.Len(uint(len(batch))) + 8
		if !h.took && !h.works && h.requests > most || ctx.Err() != nil {
			h.left = append(h.left, part...)
			continue
		}
		err := s.sendPart(ctx, h, part, func(part []host.Record) error {
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

// sendPart sends a part of a batch. If it fails as the batch did, it calls failed with the records concerned.
func (s *Sink) sendPart(ctx context.Context, h *badRecordSearch, part []host.Record, failed func([]host.Record) error) error {
	left, refused, err := s.sendOnce(ctx, part)
	if err := s.refuse(refused, len(part)); err != nil {
		return err
	}
	var p temporaryError
	switch {
	case err == nil:
		h.took = h.took || len(refused) < len(part)
	case errors.As(err, &p) && p.status == h.status:
		h.requests++
		if len(left) < len(part) { // the other records have a final answer
			h.took = h.took || len(left)+len(refused) < len(part)
			return s.sendPart(ctx, h, left, failed)
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
func (h *badRecordSearch) suspected(r host.Record) bool {
	for _, s := range h.suspects {
		if len(s.Record.JSON) > 0 && len(r.JSON) > 0 && &s.Record.JSON[0] == &r.JSON[0] {
			return true
		}
	}
	return false
}

// streak counts consecutive records, across pages, that were refused for the same reason.
type streak struct {
	reason string
	count  int
}

const (
	// suspicious is the page size from which the refusal of every record cannot be due to their content.
	suspicious = 100
	// sameReason is how many consecutive records may be refused for the same reason if no other is accepted.
	sameReason = 3
)

// varying matches the parts of a refusal that differ between two records with the same error.
var varying = regexp.MustCompile(`'[^']*'|"[^"]*"|[0-9]+`)

// add counts the refused records of a page with of records. It returns an error if the records are probably not the
// cause. If shown is true, the service accepted an empty request meanwhile. Then one refused page is due to the
// records.
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
		t.count -= of // the page is written again
		return fmt.Errorf("%d records in a row were refused for the same reason, and no other was accepted, the last: %s: the records are probably not "+
			"the cause: check the address and the service's configuration", n, refused[len(refused)-1])
	}
	return nil
}

// allRefused returns the error for a page whose n records are all refused.
func allRefused(n int, first Refusal) error {
	return fmt.Errorf("%d records in a row were refused, and no other was accepted, the first: %s: the records are probably not "+
		"the cause: check the address and the service's configuration", n, first)
}
