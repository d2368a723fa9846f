//go:build !long

package sql_test

// hostileStatements is how many statements TestHostileStatements runs.
const hostileStatements = 200
