// Package connector is the SDK for connectors: it runs the operations of a service from literals that describe them.
//
// A connector is one [Connector] literal: the kind, the connection's configuration, what the SDK has to know of the
// service ([Service]), and the tables of [Operation] literals. An operation does one of these:
//
//   - Get reads one object behind one endpoint ([Get]).
//   - List reads records page by page behind one endpoint ([List]).
//   - Pages reads several lists one after another, most often with a [Walk].
//   - Do is a function for anything else. A write sends a [Change], which ends in exactly one outcome; a write to an
//     endpoint that replaces an object as a whole describes a [Replacement] of a [Whole].
//
// An operation on the ingest surface also has a Source function, which reads one page from a checkpoint.
//
// The SDK asks for the next page as the host's Link headers say, resumes a list from any cursor, makes pages smaller
// that are too heavy, reads back what became of a write whose answer was lost, and tells the service's own answers from
// those of a proxy. docs/write-a-connector.md shows how to write a connector.
//
// The package is plain Go that builds and tests natively. Package module makes the exports of a Wasm module of it. A
// [Call] is for one run, and not for concurrent use.
package connector
