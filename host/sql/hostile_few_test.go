//go:build !long

package sql_test

// hostileStatements is how many statements TestHostileStatements runs.
const hostileStatements = 200

// everyForgery says how many of the forgeries are tried: one of so many.
const everyForgery = 4
