//go:build !long

package sql_test

const (
	propertyOrgs       = 1
	propertyStatements = 200
)
