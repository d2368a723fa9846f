package ingest

import "time"

// CommitAfter sets how long pages wait for others to become durable with.
func (d *Drain) CommitAfter(t time.Duration) { d.commitTime = t }
