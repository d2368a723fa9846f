package sandbox

// meter counts the memory of one instance while a call runs. It is not safe for concurrent use.
type meter struct {
	ceiling Ceiling // nil between calls
	held    int64
	err     error // why take returned false
}

// begin counts what the instance has when a call begins.
func (m *meter) begin(c Ceiling, n int64) error {
	if c == nil {
		return nil
	}
	if err := c.Take(n); err != nil {
		return err
	}
	m.ceiling, m.held = c, n
	return nil
}

// take counts what the instance grows by. It returns false if that exceeds the ceiling.
func (m *meter) take(n int64) bool {
	if m == nil || m.ceiling == nil {
		return true
	}
	if err := m.ceiling.Take(n); err != nil {
		m.err = err
		return false
	}
	m.held += n
	return true
}

// end counts everything as free again.
func (m *meter) end() {
	if m.ceiling != nil {
		m.ceiling.Give(m.held)
	}
	*m = meter{}
}
