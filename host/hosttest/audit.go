package hosttest

import (
	"context"
	"sync"

	"github.com/mach5/okta-connector/host"
)

// Audit is an auditor that keeps its records. Its fields are read when no invoke runs.
type Audit struct {
	mu      sync.Mutex
	All     []host.AuditRecord // at the end of each invoke
	Writing []host.AuditRecord // before the first write of an invoke
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

// Last are the record before the last write and the record of the last invoke.
func (a *Audit) Last() (writing, ended host.AuditRecord) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.Writing) > 0 {
		writing = a.Writing[len(a.Writing)-1]
	}
	return writing, a.All[len(a.All)-1]
}
