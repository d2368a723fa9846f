//go:build long

package sql_test

const (
	hostileStatements = 1000
	everyForgery      = 1
)
