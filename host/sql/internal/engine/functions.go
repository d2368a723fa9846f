//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package engine

/*
#include <stdint.h>
#include <stdlib.h>

void connector_table_bind(void *);
void connector_table_init(void *);
void connector_table_fill(void *, void *);
void connector_scalar_call(void *, void *, void *);
void connector_release(void *);
*/
import "C"

import (
	dbsql "database/sql"
	"errors"
	"fmt"
	"reflect"
	"runtime/cgo"
	"strings"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/duckdb/duckdb-go/v2/mapping"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// The functions are registered through duckdb-go's mapping of the C API and not through its own wrappers: RATIONALE.md,
// "Why does SQL register its functions itself?". DuckDB calls what is exported here on its own threads.

// register makes connector_table, connector_scalar and connector_try known to a database.
func (e *Engine) register() error {
	varchar := logicalType(abi.Varchar)
	defer mapping.DestroyLogicalType(&varchar)

	table := mapping.CreateTableFunction()
	defer mapping.DestroyTableFunction(&table)
	mapping.TableFunctionSetName(table, abi.ConnectorTable)
	mapping.TableFunctionSetExtraInfo(table, handle(e), unsafe.Pointer(C.connector_release))
	mapping.TableFunctionSetBind(table, unsafe.Pointer(C.connector_table_bind))
	mapping.TableFunctionSetInit(table, unsafe.Pointer(C.connector_table_init))
	mapping.TableFunctionSetFunction(table, unsafe.Pointer(C.connector_table_fill))
	mapping.TableFunctionSupportsProjectionPushdown(table, true)

	scalar, try := e.scalarFunction(abi.ConnectorScalar, false), e.scalarFunction(abi.ConnectorTry, true)
	defer mapping.DestroyScalarFunction(&scalar)
	defer mapping.DestroyScalarFunction(&try)

	for range arguments {
		mapping.TableFunctionAddParameter(table, varchar)
		mapping.ScalarFunctionAddParameter(scalar, varchar)
		mapping.ScalarFunctionAddParameter(try, varchar)
	}
	mapping.TableFunctionAddNamedParameter(table, viewArgument, varchar)
	mapping.TableFunctionAddNamedParameter(table, givenArgument, varchar)
	raw, err := rawConnection(e.conn)
	if err != nil {
		return err
	}
	if mapping.RegisterTableFunction(raw, table) == mapping.StateError || mapping.RegisterScalarFunction(raw, scalar) == mapping.StateError ||
		mapping.RegisterScalarFunction(raw, try) == mapping.StateError {
		return errors.New("DuckDB does not take connector_table, connector_scalar and connector_try")
	}
	return nil
}

// scalarFunction is connector_scalar or connector_try without its parameters. The caller destroys it.
func (e *Engine) scalarFunction(name string, forgiving bool) mapping.ScalarFunction {
	json := logicalType(abi.JSON)
	defer mapping.DestroyLogicalType(&json)
	f := mapping.CreateScalarFunction()
	mapping.ScalarFunctionSetName(f, name)
	mapping.ScalarFunctionSetExtraInfo(f, handle(scalarCall{e, forgiving}), unsafe.Pointer(C.connector_release))
	mapping.ScalarFunctionSetFunction(f, unsafe.Pointer(C.connector_scalar_call))
	mapping.ScalarFunctionSetReturnType(f, json)
	mapping.ScalarFunctionSetVolatile(f) // else the answer to a constant is asked for while planning, and stays in the plan
	return f
}

// scalarCall is what connector_scalar_call is called for.
type scalarCall struct {
	engine    *Engine
	forgiving bool
}

// viewArgument is the argument by which a connection's view names itself. Only below a view does the plan of a statement
// name the columns of a scan as they are: RATIONALE.md, "How does a scan learn its conditions?". So its value begins with the
// engine's marker, and no statement may have it.
const viewArgument = "view"

// givenArgument is the argument by which a view names an input of its operation that becomes a column: a condition on the column gives
// the input its value. An object in JSON is more input for each call instead. Only a view may have it.
const givenArgument = "given"

// arguments is how many both functions have: connection, operation, input.
const arguments = 3

// rawConnection is the handle behind duckdb-go's connection, which has no way to it.
func rawConnection(conn *dbsql.Conn) (raw mapping.Connection, err error) {
	err = conn.Raw(func(c any) error {
		if v, ok := c.(*duckdb.Conn); ok {
			if f := reflect.ValueOf(v).Elem().FieldByName("conn"); f.IsValid() && f.Type() == reflect.TypeFor[mapping.Connection]() {
				raw.Ptr = f.FieldByName("Ptr").UnsafePointer()
				return nil
			}
		}
		return errors.New("duckdb-go has renamed a field that host/sql/internal/engine reads: duckdb.Conn.conn")
	})
	return raw, err
}

// logicalType is DuckDB's type of a column. The caller destroys it.
func logicalType(t abi.ColumnType) mapping.LogicalType {
	switch t {
	case abi.Boolean:
		return mapping.CreateLogicalType(mapping.TypeBoolean)
	case abi.BigInt:
		return mapping.CreateLogicalType(mapping.TypeBigInt)
	case abi.Double:
		return mapping.CreateLogicalType(mapping.TypeDouble)
	case abi.TimestampTZ:
		return mapping.CreateLogicalType(mapping.TypeTimestampTZ)
	case abi.JSON:
		json := mapping.CreateLogicalType(mapping.TypeVarchar)
		mapping.LogicalTypeSetAlias(json, "JSON")
		return json
	}
	return mapping.CreateLogicalType(mapping.TypeVarchar)
}

// guarded makes an error of a panic. Past a function that DuckDB called, on a thread of its own or with its locks held, a
// panic would end the process or leave every later statement waiting.
func (e *Engine) guarded(f func() error) error {
	return wire.Guarded(func(p any, stack []byte) {
		e.log(fmt.Sprintf("a panic under a call of DuckDB's: %v", p), string(stack))
	}, f)
}

// handle is memory of C's that leads to a Go value, until connector_release.
func handle(v any) unsafe.Pointer {
	p := C.malloc(C.size_t(unsafe.Sizeof(cgo.Handle(0))))
	*(*cgo.Handle)(p) = cgo.NewHandle(v)
	return p
}

func behind[T any](p unsafe.Pointer) T { return (*(*cgo.Handle)(p)).Value().(T) }

//export connector_release
func connector_release(p unsafe.Pointer) {
	h := *(*cgo.Handle)(p)
	if r, ok := h.Value().(interface{ release() }); ok {
		r.release()
	}
	h.Delete()
	C.free(p)
}

//export connector_table_bind
func connector_table_bind(p unsafe.Pointer) {
	info := mapping.BindInfo{Ptr: p}
	e := behind[*Engine](mapping.BindGetExtraInfo(info))
	err := e.guarded(func() error {
		s, err := e.bind(info)
		if err != nil {
			return err
		}
		for _, c := range s.table.Columns {
			t := logicalType(c.Type)
			mapping.BindAddResultColumn(info, c.Name, t)
			mapping.DestroyLogicalType(&t)
		}
		mapping.BindSetCardinality(info, mapping.IdxT(s.cardinality()), false)
		mapping.BindSetBindData(info, handle(s), unsafe.Pointer(C.connector_release))
		return nil
	})
	if err != nil {
		mapping.BindSetError(info, err.Error())
	}
}

// bindArguments reads the arguments of a table function.
func bindArguments(info mapping.BindInfo) (texts [arguments]string, err error) {
	for i := range texts {
		v := mapping.BindGetParameter(info, mapping.IdxT(i))
		if mapping.IsNullValue(v) {
			err = fmt.Errorf("%s(connection, operation, input): argument %d is NULL", abi.ConnectorTable, i+1)
		} else {
			texts[i] = mapping.GetVarchar(v)
		}
		mapping.DestroyValue(&v)
	}
	return texts, err
}

// bindView reads the name of the view that a table function is in; "" is none. given is the input that is a column of the view.
func (e *Engine) bindView(info mapping.BindInfo) (view, given string, err error) {
	marked, hasView := namedText(info, viewArgument)
	given, hasGiven := namedText(info, givenArgument)
	if !hasView && !hasGiven {
		return "", "", nil
	}
	if view, found := strings.CutPrefix(marked, e.marker); found && e.marker != "" && marked != "" {
		return view, given, nil
	}
	return "", "", errViewArgument
}

// namedText reads a named parameter; NULL is "".
func namedText(info mapping.BindInfo, name string) (text string, there bool) {
	v := mapping.BindGetNamedParameter(info, name)
	if v.Ptr == nil {
		return "", false
	}
	defer mapping.DestroyValue(&v)
	if mapping.IsNullValue(v) {
		return "", true
	}
	return mapping.GetVarchar(v), true
}

// errViewArgument is the error of a statement that passes off a call of its own as that of a view.
//
//lint:ignore ST1005 it is shown among DuckDB's own errors, which begin like this
var errViewArgument = fmt.Errorf("Invalid named parameter %q for function %s: it takes a connection, an operation and an input", viewArgument, abi.ConnectorTable)

//export connector_table_init
func connector_table_init(p unsafe.Pointer) {
	info := mapping.InitInfo{Ptr: p}
	s := behind[*scan](mapping.InitGetBindData(info))
	err := s.engine.guarded(func() error {
		var asked []int
		for i := range mapping.InitGetColumnCount(info) {
			asked = append(asked, int(mapping.InitGetColumnIndex(info, i))) // -1 is the row's number, which nobody sees
		}
		mapping.InitSetInitData(info, handle(s.run(asked)), unsafe.Pointer(C.connector_release))
		mapping.InitSetMaxThreads(info, 1)
		return nil
	})
	if err != nil {
		mapping.InitSetError(info, err.Error())
	}
}

//export connector_table_fill
func connector_table_fill(p, out unsafe.Pointer) {
	info := mapping.FunctionInfo{Ptr: p}
	r := behind[*scanRun](mapping.FunctionGetInitData(info))
	if err := r.scan.engine.guarded(func() error { return r.fill(mapping.DataChunk{Ptr: out}) }); err != nil {
		mapping.FunctionSetError(info, err.Error())
	}
}

//export connector_scalar_call
func connector_scalar_call(p, in, out unsafe.Pointer) {
	info := mapping.FunctionInfo{Ptr: p}
	call := behind[scalarCall](mapping.ScalarFunctionGetExtraInfo(info))
	s := call.engine.running.Load()
	err := call.engine.guarded(func() error { return call.answer(s, mapping.DataChunk{Ptr: in}, mapping.Vector{Ptr: out}) })
	if err != nil {
		mapping.ScalarFunctionSetError(info, err.Error())
	}
}
