//go:build long

package sql_test

const (
	propertyOrgs       = 20
	propertyStatements = 500
)
