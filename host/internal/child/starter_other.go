//go:build !linux

package child

// Starter is not needed here, since no process confines itself. Its methods start children of this process.
type Starter struct{ options StarterOptions }

// NewStarter returns a Starter that starts children of this process.
func NewStarter(o StarterOptions) (*Starter, error) { return &Starter{o}, nil }

// RunStarterIfAsked does nothing here.
func RunStarterIfAsked() {}

// Start starts a process. Commands get the environment of the options.
func (s *Starter) Start(spec Spec, ended func(error)) (*Process, error) {
	if s != nil {
		spec.env = append([]string{}, s.options.Env...)
	}
	return Start(spec, ended)
}

// Close does nothing.
func (s *Starter) Close() {}
