// Package compat has the names that users of other tools know for what the Okta connector reads.
package compat

import _ "embed"

// Kind is the kind of the connections that the tables are for.
const Kind = "okta"

// Steampipe has the tables of Steampipe's plugin for Okta, and the functions of Postgres that its queries use. They are views and macros
// of the schema steampipe. It is the Statements of a sql.Schema.
func Steampipe() string { return postgres + ";\n" + steampipe }

// Elements are the table functions of Steampipe whose only column has the name of the call's alias.
func Elements() []string {
	return []string{"jsonb_array_elements", "jsonb_array_elements_text", "jsonb_object_keys"}
}

//go:embed steampipe.sql
var steampipe string

//go:embed postgres.sql
var postgres string
