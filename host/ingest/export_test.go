package ingest

import "time"

// CommitAfter sets how long pages are collected before they become durable together.
func (d *Drain) CommitAfter(t time.Duration) { d.commitTime = t }
