package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
)

// Source gives the rows and objects that queries read. It is used by several goroutines at a time.
type Source interface {
	// Bind checks a call, without a request, and describes its rows.
	Bind(ctx context.Context, call Call) (TableMessage, error)
	// Open begins to read the rows of a call: these of its columns, by their indexes. Rows for which pushed does not hold may
	// be left out, and no others; nil leaves none out.
	Open(ctx context.Context, call Call, columns []int, pushed *Pushed) (RowSource, error)
	// Plan describes what Open would ask for, without a request.
	Plan(ctx context.Context, call Call, pushed Pushed) (PlanMessage, error)
	// Object reads one object, nil if it is not there, or the records of a list as an array. DuckDB takes the JSON.
	Object(ctx context.Context, call Call) (json.RawMessage, error)
}

// RowSource gives the rows of one call. It is used by one goroutine at a time.
type RowSource interface {
	// Next returns the next rows encoded as Cells reads them; 0 rows are the end. They are valid until the next call.
	Next(ctx context.Context) (rows int, batch []byte, err error)
	Close()
}

// Guarded makes an error of a panic, and logs it.
func Guarded(log func(p any, stack []byte), f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log(p, debug.Stack())
			err = fmt.Errorf("panic: %v: this is a fault of wasm-runner's, not of the query", p)
		}
	}()
	return f()
}
