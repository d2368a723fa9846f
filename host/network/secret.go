package network

import (
	"context"

	"github.com/mach5/okta-connector/host/secrets"
)

// secret keeps the credentials of a proxy, since reading them may run a command. It is safe for concurrent use.
type secret struct {
	read  func(context.Context) (secrets.Value, error)
	stamp func() string // changes when the credentials may have changed; nil is a constant

	state chan kept // has one element, unless a goroutine reads or changes it
}

// kept are the credentials that were read last.
type kept struct {
	value secrets.Value
	stamp string
	known bool
}

func newSecret(read func(context.Context) (secrets.Value, error), stamp func() string) secret {
	if stamp == nil {
		stamp = func() string { return "" }
	}
	s := secret{read: read, stamp: stamp, state: make(chan kept, 1)}
	s.state <- kept{}
	return s
}

// get returns the credentials. It reads them once, and again when their stamp has changed.
func (s secret) get(ctx context.Context) (secrets.Value, error) {
	return s.update(ctx, func(k kept) bool { return k.known })
}

// after returns the credentials after the proxy refused some. It reads them again, unless another call has done so.
func (s secret) after(ctx context.Context, refused secrets.Value) (secrets.Value, error) {
	return s.update(ctx, func(k kept) bool { return k.known && !k.value.Equal(refused) })
}

// update returns the kept credentials if usable says so, and otherwise reads them.
func (s secret) update(ctx context.Context, usable func(kept) bool) (secrets.Value, error) {
	select {
	case k := <-s.state:
		stamp := s.stamp() // before the read, so that a change during it is noticed
		if k.stamp != stamp || !usable(k) {
			value, err := s.read(ctx)
			if err != nil {
				s.state <- kept{}
				return value, err
			}
			k = kept{value, stamp, true}
		}
		s.state <- k
		return k.value, nil
	case <-ctx.Done():
		return secrets.Value{}, ctx.Err()
	}
}
