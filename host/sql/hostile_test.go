//go:build linux && cgo && (amd64 || arm64)

package sql_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql"
)

// hostile generates statements of an author who wants to break out, to stop others, or to forge what they read.
type hostile struct {
	random    *rand.Rand
	functions []string // every function of DuckDB
	tables    []string // every table function
}

// newHostile asks DuckDB what functions it has.
func newHostile(t *testing.T, seed uint64) *hostile {
	h := &hostile{random: rand.New(rand.NewPCG(seed, 7))}
	db, err := sql.Open(t.Context(), sql.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for query, all := range map[string]*[]string{
		"SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate', 'macro') ORDER BY 1":   &h.functions,
		"SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN ('table', 'table_macro', 'pragma') ORDER BY 1": &h.tables,
	} {
		err := db.Run(t.Context(), query, func(r *sql.Result) error {
			for row, err := range r.Rows() {
				if err != nil {
					return err
				}
				*all = append(*all, row[0].(string))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(h.functions) < 500 || len(h.tables) < 50 {
		t.Fatalf("DuckDB has %d functions and %d table functions", len(h.functions), len(h.tables))
	}
	return h
}

func (h *hostile) pick(all ...string) string { return all[h.random.IntN(len(all))] }

// value is an expression, often a large or odd one.
func (h *hostile) value(depth int) string {
	n := h.pick("1", "20", "3000", "400000", "50000000", "4000000000", "9223372036854775807", "-1", "-9223372036854775808")
	switch h.random.IntN(14) {
	case 0:
		return n
	case 1:
		return h.pick("NULL", "true", "''", "'a'", "'NaN'::DOUBLE", "'-inf'::FLOAT", "1e308", "0.1::DECIMAL(38,37)", "'\\x00'::BLOB", "INTERVAL '1000000000 years'",
			"TIMESTAMPTZ '290000-01-01'", "DATE 'infinity'", "UUID '00000000-0000-0000-0000-000000000000'", "'../../etc/passwd'", "'/proc/self/mem'", "'(a+)+$'", "'%n%s%2000000000d'")
	case 2:
		return "repeat(" + h.pick("'a'", "'['", "'{\"a\":'", "'ab'", "'\\'", "'(('", "'é'") + ", " + h.pick("10", "3000", "200000", "30000000") + ")"
	case 3:
		brackets := h.pick("10", "1000", "100000")
		return "(repeat('[', " + brackets + ") || repeat(']', " + brackets + "))" + h.pick("", "::JSON", "::VARIANT", "::INT[][]")
	case 4:
		return "range(" + h.pick("10", "100000", "200000000") + ")"
	case 5:
		return h.pick("[1, NULL]", "[[1], []]", "{'a': 1, 'b': [NULL]}", "MAP {'k': [1]}", "MAP([], [])", "JSON '{\"a\":[1,{\"b\":null}]}'", "'{\"a\":1e999}'::JSON", "array_value(1, 2)")
	case 6:
		return "connector_" + h.pick("scalar", "try") + "('depot', '" + h.pick("get_item", "list_items", "range_movements", "scrap_item", "poll_movements", "x") + "', " +
			h.pick("'{}'", "json_object('sku', "+h.value(depth+1)+"::VARCHAR)", "repeat('[', 100000)", "'{\"limit\":1e999999}'", "NULL") + ")"
	case 7:
		return "(SELECT " + h.pick("count(*)", "list(i)", "string_agg(i::VARCHAR)", "histogram(i)", "max(i)") + " FROM range(" + h.pick("10", "100000", "1000000000") + ") t(i))"
	case 8:
		return "list_transform(" + h.pick("[1, 2]", "range(1000)", "range(10000000)") + ", lambda x: " + h.pick("x", "repeat('a', x)", "x + 1", "[x]") + ")"
	}
	if depth > 3 {
		return n
	}
	return h.call(depth)
}

func (h *hostile) call(depth int) string {
	var args []string
	for range 1 + h.random.IntN(3) {
		args = append(args, h.value(depth+1))
	}
	return name(h.pick(h.functions...)) + "(" + strings.Join(args, ", ") + ")"
}

func name(s string) string { return "\"" + strings.ReplaceAll(s, "\"", "\"\"") + "\"" }

// next is the next statement.
func (h *hostile) next() string {
	switch h.random.IntN(12) {
	case 0:
		return h.pick(crashers...)
	case 1:
		return h.pick(slices.Concat(endless, vast)...)
	case 2:
		return h.pick(forgeries...)
	case 3:
		all := reaching()
		var statements []string
		for s := range all {
			statements = append(statements, s)
		}
		slices.Sort(statements)
		return strings.NewReplacer("DIR", "/etc", "FILE", "/etc/passwd", "NEW", "new").Replace(h.pick(statements...))
	case 4:
		return "SELECT * FROM " + name(h.pick(h.tables...)) + "(" + h.pick("", h.value(0), h.value(0)+", "+h.value(0)) + ") LIMIT 1000"
	case 5:
		return "WITH RECURSIVE r AS (SELECT " + h.value(1) + " AS x UNION ALL SELECT " + h.pick("x", "x || x", "[x]", "{'x': x}") + " FROM r) SELECT count(*) FROM r"
	case 6:
		return "SELECT " + strings.Repeat("(", 1+h.random.IntN(3000)) + "1" + h.pick(strings.Repeat(")", 1000), "", " + 1")
	case 7:
		return "CREATE " + h.pick("", "TEMP ", "OR REPLACE ") + "TABLE t" + fmt.Sprint(h.random.IntN(5)) + " AS SELECT " + h.value(0) + " AS x FROM range(" + h.pick("1", "1000", "100000000") + ")"
	case 8:
		return "SELECT " + h.call(0) + " OVER () FROM " + h.pick("depot.items", "connector_table('depot', 'range_movements', '{}')", "connector_table('depot', 'list_items', '{}')", "range(100000)", "range(250) a, depot.items b, range(250) c, depot.items d, range(250) e")
	}
	return "SELECT " + h.call(0) + h.pick("", " FROM range(1000)", " FROM depot.items", " IS NULL")
}

// children are the processes that this one started and that have not ended.
func children(t *testing.T) (all []string) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		text, err := os.ReadFile("/proc/self/task/" + task.Name() + "/children")
		if os.IsNotExist(err) {
			continue // the thread has ended
		}
		if err != nil {
			t.Skip("this kernel does not list the children of a process")
		}
		all = append(all, strings.Fields(string(text))...)
	}
	return all
}

// TestHostileStatements_AmongOthers_HarmNobody runs generated statements while an ingest and another tenant work.
func TestHostileStatements_AmongOthers_HarmNobody(t *testing.T) {
	const seed = 20260101
	count := hostileStatements
	if testing.Short() {
		count = min(count, 25)
	}
	h := newHostile(t, seed)
	ours, depot := warehouse(t)
	depot.Fill(250)
	theirs := depotAt(t, "depot", depot)
	kept := filepath.Join(t.TempDir(), "tenant.duckdb")
	dir := t.TempDir()
	t.Chdir(dir)
	tenant := open(t, sql.Config{Connections: []*host.Connection{ours}, Database: kept})
	ask(t, tenant, "CREATE TABLE rounds(n INT, items INT)")
	attacker, err := sql.Open(t.Context(), sql.Config{Connections: []*host.Connection{theirs}, Limits: sql.Limits{Time: 400 * time.Millisecond, Memory: 128 << 20, Pages: 200}})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = try(t.Context(), attacker, "SELECT 1")
	descriptors := openDescriptors(t)

	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	rounds, events := 0, 0
	others.Go(func() {
		for ; ctx.Err() == nil; rounds++ {
			out, err := try(context.WithoutCancel(ctx), tenant, fmt.Sprintf("INSERT INTO rounds SELECT %d, count(*) FROM depot.items, range(50); SELECT count(*) FROM depot.items", rounds))
			if err != nil || !strings.HasSuffix(out, "\n[5]\n") {
				t.Errorf("the other tenant got %q, %v", out, err)
				return
			}
		}
	})
	others.Go(func() {
		for ctx.Err() == nil {
			read := 0
			for _, err := range ours.Source(context.WithoutCancel(ctx), host.SourceOptions{Operation: "poll_movements"}) {
				if err != nil {
					t.Errorf("the ingest failed: %v", err)
					return
				}
				read++
			}
			if read != depot.MovementCount() {
				t.Errorf("the ingest got %d of %d records", read, depot.MovementCount())
				return
			}
			events += read
		}
	})
	crashed, failed, longest := 0, 0, time.Duration(0)
	for i := range count {
		statement := h.next()
		begin := time.Now()
		_, err := try(t.Context(), attacker, statement)
		took := time.Since(begin)
		longest = max(longest, took)
		var e *sql.Error
		if err != nil {
			failed++
		}
		if errors.As(err, &e) && e.SessionLost {
			crashed++
		}
		if took > time.Minute {
			t.Errorf("statement %d took %v: %.300s", i, took, statement)
		}
		if t.Failed() {
			t.Fatalf("after statement %d: %.300s", i, statement)
		}
	}
	if err := attacker.Close(); err != nil {
		t.Error(err)
	}
	patient, err := sql.Open(t.Context(), sql.Config{Connections: []*host.Connection{theirs}}) // without the attacker's short limit
	if err != nil {
		t.Fatal(err)
	}
	want(t, patient, "SELECT count(*) FROM depot.items", "[5]")
	stop()
	others.Wait()
	want(t, tenant, "SELECT count(DISTINCT items) FROM rounds", "[1]")
	t.Logf("%d statements: %d failed, %d ended their process, the longest took %v; meanwhile %d rounds of the other tenant, %d events", count, failed, crashed,
		longest.Round(time.Millisecond), rounds, events)
	if crashed == 0 || rounds == 0 || events == 0 {
		t.Error("nothing happened")
	}
	if now := openDescriptors(t); now > descriptors+8 { // connections of HTTP
		t.Errorf("%d descriptors are open, at the beginning %d were", now, descriptors)
	}
	if err := patient.Close(); err != nil {
		t.Error(err)
	}
	if n := len(children(t)); n != 1 { // the other tenant's
		t.Errorf("%d processes are left", n)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	runtime.GC()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
