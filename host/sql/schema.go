package sql

// Schema is a schema that a program brings along: views over those of the connections, under names that people know from elsewhere.
type Schema struct {
	Name string
	Kind string // the kind of the connections that its views read
	// Statements create views and macros in the schema. They are trusted: they are run as they are. Each is a template
	// (text/template) with two functions, which stand in FROM:
	//
	//	{{view "users"}}              the rows of a view, of all connections of the kind
	//	{{view "users" "filter"}}     the same, and a column with the value that a condition gives the input filter, or NULL
	//	{{view "users" `{"a":"b"}`}}  the same as the first, with more input for the view's operation
	//	{{table "list_zones" "{}"}}   the rows of an operation
	//
	// Both have two more columns: connection, and domain, which is the host of its address. A statement is left out, with a warning, if
	// the module lacks its view or operation. {{if has "list_zones"}} asks whether it has an operation.
	Statements string
	// Elements are table functions of one column. The alias of a call names the column, as in Postgres.
	Elements []string
}
