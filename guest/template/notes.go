// Command template is the smallest connector: a list and a write of an invented service that stores notes. Copy the
// folder to start a connector of your own; docs/write-a-connector.md explains each part.
package main

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

// notes returns the connector.
func notes() *connector.Connector {
	return &connector.Connector{
		Kind:         "notes",
		Version:      "0.1.0",
		ConfigSchema: connector.ConfigSchema("notes", "Notes", "the address of the service, such as https://notes.example.com"),
		Members: []hostcall.Pair{
			{Name: "auth", Value: `[{"type":"token","header":"Authorization","prefix":"Bearer"}]`},
			{Name: "request_id_header", Value: `"Notes-Request-Id"`},
			{Name: "response_headers", Value: `["notes-request-id"]`},
			{Name: "rate_limit_headers", Value: `{"limit":"RateLimit-Limit","remaining":"RateLimit-Remaining","reset":"RateLimit-Reset"}`},
		},
		Service: connector.Service{
			Name:       "Notes",
			RequestID:  "notes-request-id",
			PageParam:  "per_page",
			LinkParams: "from",
			Changed:    "updated_at",
			OwnShape:   func(v jsonval.Value) bool { return v.Get("id").Exists() && v.Get("updated_at").Exists() },
		},
		Operations: [][]connector.Operation{noteOperations},
	}
}

// The requests that the operations may make. The host sends no others.
var (
	getNotes = abi.Endpoint{Endpoint: "GET /v1/notes", Bucket: "notes"}
	getNote  = abi.Endpoint{Endpoint: "GET /v1/notes/{noteId}", Bucket: "notes"}
	putNote  = abi.Endpoint{Endpoint: "PUT /v1/notes/{noteId}", Bucket: "notes"}
)

var noteOperations = []connector.Operation{
	{
		Name:        "list_notes",
		Summary:     "Lists notes, oldest first. As a source it follows the list: new notes come at its end.",
		Class:       abi.Read,
		Surfaces:    []abi.Surface{abi.Axon, abi.Ingest, abi.SQL},
		Idempotency: abi.Safe,
		Inputs: []connector.Input{
			connector.TextInput("tag", "64", "only notes with this tag"),
			connector.LimitInput, connector.CursorInput,
		},
		Example: `{"tag":"work"}`,
		Key:     "id",
		Columns: []connector.Column{
			{"id", abi.Varchar, "id", "the note's id"},
			{"title", abi.Varchar, "title", ""},
			{"updated_at", abi.TimestampTZ, "updated_at", "time of the last change"},
		},
		Endpoints: []*abi.Endpoint{&getNotes},
		List:      &noteList,
		Source:    noteList.Follow,
	},
	{
		Name:        "rename_note",
		Summary:     "Changes the title of a note. A note that already has the title is unchanged.",
		Class:       abi.Write,
		Surfaces:    []abi.Surface{abi.Axon},
		Idempotency: abi.Verified,
		Inputs: []connector.Input{
			connector.IDInput("note", "the note's id"),
			{"title", true, `{"type":"string","minLength":1,"maxLength":200,"description":"the new title"}`},
		},
		Example:   `{"note":"n1","title":"Shopping"}`,
		Key:       "id",
		Endpoints: []*abi.Endpoint{&getNote, &putNote},
		Do:        renameNote,
	},
}

var noteList = connector.List{
	Endpoint: getNotes.Endpoint,
	Query:    []connector.Param{{"tag", "tag"}},
	MaxPage:  100,
}

// renameNote reads the note first, so that a repeat changes nothing. If the response is lost, it reads back.
func renameNote(c *connector.Call) connector.Result {
	id, title := c.Str("note"), c.Str("title")
	path := connector.Pairs("noteId", id)
	read := func() (connector.Object, *connector.Result) {
		return c.ReadObject(hostcall.Request{Endpoint: getNote.Endpoint, Path: path}, "note", "note")
	}
	before, failed := read()
	if failed != nil {
		return *failed
	}
	isRenamed := func(note connector.Object) bool { return note.Get("title").Str() == title }
	if isRenamed(before) {
		return connector.Result{Outcome: abi.Unchanged, Output: before.Raw()}
	}
	var body jsonval.Writer
	return c.Change(connector.Change{
		Request: hostcall.Request{Endpoint: putNote.Endpoint, Path: path, Body: body.Str("title", title).String()},
		Noun:    "note",
		Type:    "note",
		What:    "renaming note " + id,
		Undone:  "the note was not renamed",
		Trace:   before.Get("updated_at").Str(),
		Look:    connector.Look(read, isRenamed, func(note connector.Object) string { return note.Raw() }),
	})
}
