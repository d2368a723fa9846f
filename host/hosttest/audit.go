package hosttest

import (
	"context"
	"sync"

	"github.com/mach5/okta-connector/host"
)

// Audit is an auditor that keeps its records in memory. Read its fields only while no invoke runs.
type Audit struct {
	mu      sync.Mutex
	All     []host.AuditRecord // final records
	Writing []host.AuditRecord // records before the first write of an invoke
}

// Audit implements host.Auditor.
func (a *Audit) Audit(_ context.Context, r host.AuditRecord) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Phase == host.AuditWriting {
		a.Writing = append(a.Writing, r)
		return nil
	}
	a.All = append(a.All, r)
	return nil
}

// Last returns the record before the last write, and the final record of the last invoke.
func (a *Audit) Last() (writing, ended host.AuditRecord) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.Writing) > 0 {
		writing = a.Writing[len(a.Writing)-1]
	}
	return writing, a.All[len(a.All)-1]
}
