//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql

import (
	"errors"
	"fmt"

	"github.com/duckdb/duckdb-go/v2"
)

// atStart are settings that hold from the beginning: no extension is looked for, fetched or loaded, and no secret of
// DuckDB's own is kept on disk.
const atStart = "autoinstall_known_extensions=false&autoload_known_extensions=false&allow_community_extensions=false&" +
	"allow_persistent_secrets=false"

// walls are the statements that close a database for queries. Up to the last, what one forbids can be allowed again.
func walls(allowFiles bool, limits Limits) []string {
	all := []string{
		"SET TimeZone = 'UTC'", // dates and hours do not depend on whose machine it is
		fmt.Sprintf("SET memory_limit = '%dB'", limits.Memory),
	}
	if !allowFiles {
		all = append(all,
			"SET temp_directory = ''", // does not fit into memory: fails
			"SET enable_external_access = false")
	}
	return append(all, "SET lock_configuration = true")
}

// allowed refuses statements that bring in machine code. enable_external_access refuses them too, and is on when files
// are allowed.
func allowed(kind duckdb.StmtType) error {
	switch kind {
	case duckdb.STATEMENT_TYPE_LOAD, duckdb.STATEMENT_TYPE_EXTENSION:
		//lint:ignore ST1005 it stands beside DuckDB's own errors, which begin so
		return errors.New("Permission Error: extensions are neither installed nor loaded here: they would run outside of every limit")
	}
	return nil
}
