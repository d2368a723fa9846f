// Package connector is the SDK for connectors: it runs the operations of a service from literals that describe them.
//
// A connector is one [Connector] literal. It has the kind, the connection's configuration, the facts about the service
// ([Service]), and tables of [Operation] literals. An operation does one of these:
//
//   - Get reads one object from one endpoint ([Get]).
//   - List reads records page by page from one endpoint ([List]).
//   - Pages reads several lists one after another, usually with a [Walk].
//   - Do is a function for anything else. A write sends a [Change], which ends in exactly one outcome. A write to an
//     endpoint that replaces an object as a whole describes a [Replacement] of a [Whole].
//
// An operation on the ingest surface also has a Source function, which reads one page from a checkpoint.
//
// The SDK follows pages, resumes a list from any cursor, and reduces pages that are too large. It reads back a write
// whose response was lost, and distinguishes the service's responses from a proxy's. docs/write-a-connector.md shows
// how to write a connector.
//
// The package is plain Go that builds and tests natively. Package module turns it into the exports of a Wasm module. A
// [Call] is for one run, and must not be used concurrently.
package connector
