//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package engine

import (
	"errors"
	"regexp"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// atStart are settings that hold from the beginning: no extension is looked for, fetched or loaded, and no secret of
// DuckDB's own is kept on disk.
const atStart = "autoinstall_known_extensions=false&autoload_known_extensions=false&allow_community_extensions=false&" +
	"allow_persistent_secrets=false"

// walls returns the statements that close a database for queries. Up to the last, what one forbids can be allowed again.
func walls(setup wire.SetupMessage) []string {
	all := []string{"SET disabled_optimizers = 'in_clause,top_n_window_elimination'", // a join of a list of values would hide them from plans; the other one cannot read such a list
		"SET TimeZone = 'UTC'",                        // dates and hours do not depend on whose machine it is
		"SET temp_directory = " + text(setup.TempDir)} // where there is none, what does not fit into memory fails
	if len(setup.Folders) > 0 {
		var folders []string
		for _, f := range setup.Folders {
			folders = append(folders, text(f))
		}
		all = append(all, "SET allowed_directories = ["+strings.Join(folders, ", ")+"]")
	}
	if !setup.AllowFiles || len(setup.Folders) > 0 {
		all = append(all, "SET enable_external_access = false")
	}
	return append(all, "SET lock_configuration = true")
}

// allowed refuses statements that bring in machine code, with files allowed too, and otherwise those that are there for
// files: enable_external_access leaves open the paths of the attached database, of a log that is not there among them.
func allowed(kind duckdb.StmtType, statement string, allowFiles bool) error {
	switch kind {
	case duckdb.STATEMENT_TYPE_COPY, duckdb.STATEMENT_TYPE_EXPORT, duckdb.STATEMENT_TYPE_ATTACH:
		if !allowFiles {
			return errFiles
		}
	case duckdb.STATEMENT_TYPE_PREPARE, duckdb.STATEMENT_TYPE_EXPLAIN: // a name that is such a word is refused with them
		if !allowFiles && ofFiles.MatchString(statement) {
			return errFiles
		}
	case duckdb.STATEMENT_TYPE_LOAD, duckdb.STATEMENT_TYPE_EXTENSION:
		//lint:ignore ST1005 it is shown among DuckDB's own errors, which begin like this
		return errors.New("Permission Error: extensions are neither installed nor loaded here: they would run outside of every limit")
	}
	return nil
}

var (
	ofFiles = regexp.MustCompile(`(?i)\b(copy|export|attach)\b`)
	// noFiles is DuckDB's own refusal, of a function or a table that reads a file.
	noFiles = "file system operations are disabled by configuration"
	//lint:ignore ST1005 it is shown among DuckDB's own errors, which begin like this
	errFiles = errors.New("Permission Error: file system operations are disabled: --allow-files allows COPY, EXPORT and ATTACH")
)
