//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/sql"
)

// secretText is the content of the file that no query may read.
const secretText = "the text of a file that no query may read"

// reaching are statements that reach out of the database: into files, the network, the process. DIR is a folder with a
// file in it, FILE that file, NEW one that is not there. The text is in the error of each.
func reaching() map[string]string {
	const files, locked = "file system operations are disabled", "the configuration has been locked"
	all := map[string]string{
		"FROM 'FILE'":                                    files,
		"FROM read_csv('FILE')":                          files,
		"FROM read_csv_auto('FILE')":                     files,
		"FROM sniff_csv('FILE')":                         files,
		"FROM read_text('FILE')":                         files,
		"FROM read_text('DIR/*')":                        files,
		"FROM read_blob('FILE')":                         files,
		"FROM read_json('FILE')":                         files,
		"FROM read_ndjson_objects('FILE')":               files,
		"FROM read_parquet('FILE')":                      files,
		"FROM parquet_metadata('FILE')":                  files,
		"FROM parquet_schema('FILE')":                    files,
		"FROM parquet_file_metadata('FILE')":             files,
		"FROM parquet_kv_metadata('FILE')":               files,
		"FROM read_duckdb('FILE')":                       files,
		"FROM glob('DIR/*')":                             files,
		"FROM query('FROM read_text(''FILE'')')":         files,
		"FROM query_table('FILE')":                       files,
		"SELECT (SELECT content FROM read_text('FILE'))": files,
		"CREATE VIEW v AS FROM read_text('FILE')":        files,
		"PREPARE p AS FROM read_text('FILE')":            files,
		"EXPLAIN FROM read_text('FILE')":                 files,
		"FROM json_execute_serialized_sql(json_serialize_sql('FROM read_text(''FILE'')'))": files,
		"CREATE OR REPLACE TABLE t(x TEXT); COPY t FROM 'FILE'":                            files,
		"COPY (SELECT 1) TO 'NEW'":                               files,
		"COPY (SELECT 1) TO 'NEW' (FORMAT parquet)":              files,
		"COPY (SELECT 1) TO '/dev/stdout' (FORMAT csv)":          files,
		"COPY (SELECT 1) TO '/dev/fd/1' (FORMAT csv)":            files,
		"COPY (SELECT 1 AS a, 2 AS b) TO 'NEW' (PARTITION_BY a)": files,
		"EXPORT DATABASE 'NEW'":                                  files,
		"IMPORT DATABASE 'DIR'":                                  files,
		"ATTACH 'NEW'":                                           files,
		"ATTACH 'FILE' AS x (READ_ONLY)":                         files,
		"ATTACH 'https://example.com/x.duckdb'":                  "",
		"ATTACH 'host=127.0.0.1' AS x (TYPE postgres)":           "",
		"FROM 'https://example.com/x.csv'":                       files,
		"FROM read_csv('s3://bucket/x.csv')":                     files,
		"FROM read_text('http://127.0.0.1/')":                    files,
		"INSTALL httpfs":                                         "neither installed nor loaded",
		"FORCE INSTALL httpfs FROM 'http://127.0.0.1:1'":         "neither installed nor loaded",
		"LOAD httpfs":       "neither installed nor loaded",
		"LOAD 'FILE'":       "neither installed nor loaded",
		"UPDATE EXTENSIONS": "",
		"CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')": "",
		"SELECT getenv('HOME')": "getenv does not exist",
		"SELECT * FROM which_secret('x', 'http'), read_text('FILE')":                  files,
		"CALL enable_logging(storage = 'file', storage_path = 'NEW'); SELECT 1":       "",
		"PRAGMA enable_profiling = 'json'; PRAGMA profiling_output = 'NEW'; SELECT 1": locked,
	}
	for _, s := range []string{"enable_external_access = true", "lock_configuration = false", "allowed_directories = ['DIR']", "allowed_paths = ['FILE']",
		"profiling_output = 'NEW'", "profile_output = 'NEW'", "log_query_path = 'NEW'", "temp_directory = 'NEW'", "secret_directory = 'NEW'",
		"extension_directory = 'NEW'", "home_directory = 'DIR'", "file_search_path = 'DIR'", "autoinstall_known_extensions = true",
		"autoload_known_extensions = true", "allow_community_extensions = true", "allow_unsigned_extensions = true", "custom_extension_repository = 'NEW'",
		"disabled_filesystems = ''", "http_proxy = '127.0.0.1:1'", "TimeZone = 'Asia/Tokyo'", "threads = 1", "memory_limit = '1GB'"} {
		all["SET "+s] = ""
		all["SET GLOBAL "+s] = ""
		all["PRAGMA "+s] = ""
	}
	for _, s := range []string{"enable_external_access", "lock_configuration", "temp_directory", "allowed_paths"} {
		all["RESET "+s] = locked
	}
	return all
}

func TestWalls_OfAQuery_AllowOnlyItsConnections(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "secret.csv")
	if err := os.WriteFile(file, []byte(secretText), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir()) // what lands here, lands in the user's folder
	c, _ := warehouse(t)
	kept := filepath.Join(t.TempDir(), "kept.duckdb")
	for _, config := range []sql.Config{
		{Connections: []*host.Connection{c}},
		{Connections: []*host.Connection{c}, Database: kept},
	} {
		shared := open(t, config)
		statements := reaching()
		for i, statement := range slices.Sorted(maps.Keys(statements)) {
			if testing.Short() && i%5 != 0 && config.Database != "" {
				continue // the first configuration tries all
			}
			db, reason := shared, statements[statement]
			if strings.Contains(statement, "enable_logging") { // which leaves it unusable
				var err error
				if db, err = sql.Open(t.Context(), sql.Config{}); err != nil {
					t.Fatal(err)
				}
			}
			statement = strings.NewReplacer("DIR", dir, "FILE", file, "NEW", filepath.Join(dir, "new")).Replace(statement)
			out, err := try(t.Context(), db, statement)
			if err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("%s\n got %v\nwant %s", statement, err, reason)
			}
			if strings.Contains(out, secretText) || err != nil && strings.Contains(err.Error(), secretText) {
				t.Errorf("%s shows the text of the file: %s %v", statement, out, err)
			}
			if db != shared { // DuckDB cannot be used any more, nor be closed: its process is ended, and there is a new one
				want(t, db, "SELECT 1", "[1]")
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
		}
		if err := shared.Close(); err != nil {
			t.Error(err)
		}
		for _, folder := range []string{dir, "."} {
			left, err := os.ReadDir(folder)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range left {
				if e.Name() != "secret.csv" {
					t.Errorf("a query made %s", e.Name())
				}
			}
		}
	}
}

// DuckDB allows the paths of an attached database for its own use, its log
// included, whether they exist or not.
func TestWalls_DatabaseFile_IsClosedToQueries(t *testing.T) {
	kept := filepath.Join(t.TempDir(), "kept.duckdb")
	db := open(t, sql.Config{Database: kept})
	ask(t, db, "CREATE TABLE t AS SELECT 1 AS x; CHECKPOINT results")
	for _, path := range []string{kept, kept + ".wal", kept + ".checkpoint.wal", kept + ".recovery.wal"} {
		for _, statement := range []string{
			"COPY (SELECT 1) TO 'PATH' (FORMAT csv)",
			"/* x */ copy t TO 'PATH' (FORMAT parquet)",
			"PREPARE p AS COPY (SELECT 1) TO 'PATH' (FORMAT csv); EXECUTE p",
			"EXPLAIN ANALYZE COPY (SELECT 1) TO 'PATH' (FORMAT csv)",
			"EXPLAIN ANALYZE/**/COPY (SELECT 1) TO 'PATH' (FORMAT csv)",
			"ATTACH 'PATH' AS other; CREATE TABLE other.y AS SELECT 1",
			"EXPORT DATABASE 'PATH'",
		} {
			before, err := os.ReadFile(path)
			if _, err := try(t.Context(), db, strings.ReplaceAll(statement, "PATH", path)); err == nil {
				t.Errorf("%s: got %v", strings.ReplaceAll(statement, "PATH", filepath.Base(path)), err)
			}
			after, err2 := os.ReadFile(path)
			if string(before) != string(after) || (err == nil) != (err2 == nil) {
				t.Errorf("%s wrote %s", statement, filepath.Base(path))
			}
		}
	}
	want(t, db, "FROM t", "[1]")
}

func TestWalls_OverTheMemory_NothingIsSpilled(t *testing.T) {
	t.Chdir(t.TempDir())
	c, _ := warehouse(t)
	db := open(t, sql.Config{Connections: []*host.Connection{c}})
	want(t, db, "SELECT current_setting('temp_directory'), current_setting('enable_external_access'), current_setting('lock_configuration')", `["",false,true]`)
}

// To allow files is not to allow machine code, or the network.
func TestWalls_ExtensionsWithFilesAllowed_AreRefused(t *testing.T) {
	c, _ := warehouse(t)
	db := open(t, sql.Config{Connections: []*host.Connection{c}, AllowFiles: true})
	for statement, reason := range map[string]string{
		"INSTALL httpfs": "neither installed nor loaded",
		"FORCE INSTALL httpfs FROM 'http://127.0.0.1:1'": "neither installed nor loaded",
		"LOAD httpfs":                          "neither installed nor loaded",
		"LOAD '/tmp/x.duckdb_extension'":       "neither installed nor loaded",
		"FROM 'https://example.com/x.csv'":     "httpfs",
		"SET autoload_known_extensions = true": "locked",
		"SET allow_unsigned_extensions = true": "",
		"SET lock_configuration = false":       "locked",
	} {
		if _, err := try(t.Context(), db, statement); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: got %v, want %s", statement, err, reason)
		}
	}
}
