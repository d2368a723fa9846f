package answers

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/internal/budget"
	"github.com/mach5/okta-connector/host/records"
	"github.com/mach5/okta-connector/internal/excerpt"
)

// split splits a body into records. In parallel, it searches the body for the token, which takes as long.
func (s *Set) split(ctx context.Context, handle uint64, q records.Query) (text []byte, spans, keys []records.Span, err error) {
	if handle == 0 || handle > uint64(len(s.bodies)) {
		return nil, nil, nil, errNoBody
	}
	b := &s.bodies[handle-1]
	if b.buffer.Len() == 0 {
		return nil, nil, nil, errNoBody
	}
	clean := make(chan bool, 1)
	if b.searched {
		clean <- true
	} else {
		go func() { clean <- !s.Tainted(b.buffer.Bytes()) }()
	}
	spans, keys, err = q.Split(ctx, b.buffer.Bytes(), nil)
	if q.Path != "" && (errors.Is(err, records.ErrShape) || errors.Is(err, records.ErrPath)) {
		err = fmt.Errorf("%w: the path is %s, and the body has %s", err, q.Path, records.Members(b.buffer.Bytes()))
	}
	if b.searched = true; !<-clean {
		b.buffer.Release()
		return nil, nil, nil, errTainted
	}
	return b.buffer.Bytes(), spans, keys, err
}

var (
	errNoBody  = errors.New("there is no body with this handle")
	errTainted = errors.New("the body contains the connection's token and was discarded (tainted): check base_url")
)

// EmitJSON implements records_emit.
func (s *Set) EmitJSON(ctx context.Context, handle uint64, raw []byte) abi.EmitSummary {
	var o abi.EmitOptions
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return abi.EmitSummary{Error: "the options do not follow the ABI: " + err.Error()}
	}
	return s.Emit(ctx, handle, o)
}

// Emit emits records from a body.
func (s *Set) Emit(ctx context.Context, handle uint64, o abi.EmitOptions) abi.EmitSummary {
	loan := s.Budget.Loan() // what the emit holds is given back unless its records are kept
	defer loan.Return()
	sum, err := s.emit(ctx, loan, handle, o)
	if err != nil {
		var over limitError
		return abi.EmitSummary{Error: err.Error(), Limit: errors.As(err, &over) || errors.As(err, new(budget.CallError)) || errors.As(err, new(budget.ProcessError))}
	}
	return sum
}

// emit is Emit without the form of its errors. It keeps the loan if it keeps records.
func (s *Set) emit(ctx context.Context, loan *budget.Loan, handle uint64, o abi.EmitOptions) (sum abi.EmitSummary, err error) {
	want, err := checkOptions(o)
	if err != nil {
		return sum, err
	}
	key := o.Key
	if key == "" {
		key = s.Key
	}
	member := key
	if strings.Contains(key, ".") { // a path: looked up only when needed
		member = ""
	}
	body, spans, places, err := s.split(ctx, handle, records.Query{Want: want, Path: o.Path, Key: member, Memory: loan})
	if err == nil {
		err = s.checkShape(ctx, want, key, body, spans)
	}
	if err != nil {
		return sum, err
	}
	sum.Total = len(spans)
	skipped := min(max(o.Skip, 0), sum.Total)
	cut := func(all []records.Span) []records.Span {
		if all = all[min(max(o.Skip, 0), len(all)):]; o.Limit > 0 && len(all) > o.Limit {
			all = all[:o.Limit]
		}
		return all
	}
	spans, places = cut(spans), cut(places)
	sum.Count = len(spans)
	if o.Keys {
		sum.Keys, err = records.KeysOf(ctx, body, spans, key)
		return sum, err
	}
	if o.Keyed {
		if err := checkKeys(ctx, records.Piece{Body: body, Spans: spans, Keys: places, Key: cmp.Or(key, "id")}, skipped); err != nil {
			return sum, err
		}
	}
	if len(spans) == 0 {
		return sum, s.count(0, 0)
	}
	// Records of one body must not overlap: the host writes into the space between them.
	end := spans[len(spans)-1].End
	if spans[0].Start < s.taken[handle] {
		return sum, errors.New("these records were already emitted")
	}
	o.Omit = slices.DeleteFunc(slices.Clone(o.Omit), func(p string) bool { return slices.Contains(s.bodies[handle-1].hidden, p) })
	piece, err := s.piece(ctx, loan, records.Piece{Body: body, Spans: spans, Keys: places, Key: key}, o, &sum)
	if err != nil {
		return sum, err
	}
	if s.taken == nil {
		s.taken = map[uint64]int{}
	}
	s.taken[handle] = end
	s.Pieces = append(s.Pieces, piece)
	loan.Keep()
	return sum, nil
}

// checkKeys returns an error for the first record without a key. skipped is the number of records before those of p.
func checkKeys(ctx context.Context, p records.Piece, skipped int) error {
	i, err := records.WithoutKey(ctx, p.Body, p.Spans, p.Keys, p.Key)
	if err != nil || i < 0 {
		return err
	}
	return fmt.Errorf("record %d has no string or number at %s, which is its key: it has %s", skipped+i, p.Key, records.Members(p.Body[p.Spans[i].Start:p.Spans[i].End]))
}

// piece carries out the options that change records. It counts them, and completes the summary.
func (s *Set) piece(ctx context.Context, loan *budget.Loan, p records.Piece, o abi.EmitOptions, sum *abi.EmitSummary) (_ records.Piece, err error) {
	if len(o.Omit) > 0 { // records may move
		p.Keys = nil
	}
	if p.Body, p.Spans, err = records.Without(ctx, loan, p.Body, p.Spans, o.Omit); err != nil {
		return p, err
	}
	for _, span := range p.Spans {
		sum.Bytes += int64(span.End - span.Start)
	}
	if sum.First, err = records.Summarise(ctx, p.Body, p.Spans[0], o.Summarise); err != nil {
		return p, err
	}
	if sum.Last, err = records.Summarise(ctx, p.Body, p.Spans[len(p.Spans)-1], o.Summarise); err != nil {
		return p, err
	}
	n := len(p.Spans)
	if err := s.fits(n, sum.Bytes); err != nil {
		return p, err
	}
	if o.Kind != "" {
		if p, err = records.Wrap(ctx, loan, p.Body, p.Spans, o); err != nil {
			return p, err
		}
	}
	return p, s.count(n, sum.Bytes)
}

// checkOptions returns what the options want, or what is wrong with them.
func checkOptions(o abi.EmitOptions) (records.Want, error) {
	if len(o.Summarise) > abi.MaxPaths || len(o.Omit) > abi.MaxPaths || len(o.Distinct) > abi.MaxPaths {
		return 0, fmt.Errorf("more than %d paths to summarise, omit or distinguish (abi.MaxPaths)", abi.MaxPaths)
	}
	for _, p := range slices.Concat(o.Summarise, o.Omit, o.Distinct, []string{o.Path, o.Key}) {
		if p != "" && !records.PlainPath(p) {
			return 0, errors.New("a path must be object keys joined by dots")
		}
	}
	want, known := wants[o.Want]
	if !known {
		return 0, fmt.Errorf("want must be array or object, found %q", excerpt.Of(o.Want))
	}
	return want, nil
}

// checkShape returns an error if a body has other records than wanted.
func (s *Set) checkShape(ctx context.Context, want records.Want, key string, body []byte, spans []records.Span) error {
	if want == records.Object && key != "" && (len(spans) == 0 || !records.HasKey(body[spans[0].Start:spans[0].End], key)) {
		return errors.New("wanted an object with a string or number at " + key + ", found none")
	}
	if want != records.Array || s.ErrorCode == "" {
		return nil
	}
	for i, r := range spans {
		if i%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if record := body[r.Start:r.End]; key != "" && records.HasKey(record, key) || !records.HasKey(record, s.ErrorCode) {
			return nil
		}
	}
	if len(spans) > 0 {
		return errors.New("wanted a list of objects, found a list of service errors")
	}
	return nil
}

// wants maps the values of the want option.
var wants = map[string]records.Want{"": records.Anything, abi.WantArray: records.Array, abi.WantObject: records.Object}

// EmitValue implements record_emit. It copies the record.
func (s *Set) EmitValue(ctx context.Context, raw []byte) error {
	spans, _, err := records.Query{}.Split(ctx, raw, nil)
	if err != nil || len(spans) != 1 || raw[spans[0].Start] != '{' {
		return fmt.Errorf("a record must be one JSON object")
	}
	if err := s.fits(1, int64(len(raw))); err != nil {
		return err
	}
	if err := s.Budget.Take(int64(len(raw)) + valueSize); err != nil {
		return err
	}
	s.Pieces = append(s.Pieces, records.Piece{Body: bytes.Clone(raw), Spans: spans, Key: s.Key})
	return s.count(1, int64(len(raw)))
}

// valueSize is about what the host keeps of an emitted value in addition to its text, in bytes.
const valueSize = 256

// limitError is the error for more records than a limit allows.
type limitError string

func (e limitError) Error() string { return string(e) }

// fits returns an error if so many more records exceed a limit.
func (s *Set) fits(records int, bytes int64) error {
	if s.Records+records > s.Limits.Records {
		return limitError(fmt.Sprintf("more than %d records in one call (limits.records of the connection): ask for fewer and continue with the cursor, or raise the limit", s.Limits.Records))
	}
	if s.Bytes+bytes > s.Limits.ResultBytes {
		return limitError(fmt.Sprintf("more than %d bytes of records in one call (limits.result_bytes of the connection): ask for fewer and continue with the cursor, or raise the limit", s.Limits.ResultBytes))
	}
	return nil
}

// count counts records if they fit.
func (s *Set) count(records int, bytes int64) error {
	err := s.fits(records, bytes)
	if err == nil {
		s.Records += records
		s.Bytes += bytes
	}
	return err
}
