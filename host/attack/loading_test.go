package attack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/compile"
)

// loading returns the attacks on features that only this host has when it loads a module: pinning, and a cache of compiled code.
func loading() []conformance.Attack {
	all := []conformance.Attack{conformance.NewAttack("files", "another module than the one that is pinned", "pinned modules", func(ctx context.Context) error {
		m, err := host.Load(ctx, conformance.SoundModule(), host.LoadOptions{SHA256: strings.Repeat("00", 32), NoCache: true})
		if err != nil {
			return nil
		}
		return errors.Join(errors.New("it was loaded"), m.Close(ctx))
	})}
	all = append(all, conformance.NewAttack("work", "a module that takes longer to compile than it may", "compiling", func(ctx context.Context) error {
		m, err := host.Load(ctx, conformance.SoundModule(), host.LoadOptions{NoCache: true, Compile: compile.Limits{Time: 1}})
		switch {
		case errors.Is(err, compile.ErrLimit):
			return nil
		case err != nil:
			return err
		}
		return errors.Join(errors.New("it was loaded"), m.Close(ctx))
	}))
	// Compiled code is executed: a user who can write it controls the host.
	for name, make := range map[string]func(dir string) (string, error){
		"compiled code in a folder that others can write":  func(dir string) (string, error) { return dir, os.Chmod(dir, 0o777) },
		"compiled code in a folder that a group can write": func(dir string) (string, error) { return dir, os.Chmod(dir, 0o770) },
		"compiled code in a folder in one others can replace": func(dir string) (string, error) {
			inner := filepath.Join(dir, "inner")
			return inner, errors.Join(os.Mkdir(inner, 0o700), os.Chmod(dir, 0o777))
		},
	} {
		all = append(all, conformance.NewAttack("files", name, "compiled code", func(ctx context.Context) error {
			dir, err := os.MkdirTemp("", "attack")
			if err != nil {
				return err
			}
			defer func() { _ = os.RemoveAll(dir) }()
			cache, err := make(dir)
			if err != nil {
				return err
			}
			m, err := host.Load(ctx, conformance.SoundModule(), host.LoadOptions{CacheDir: cache})
			if err != nil {
				return err
			}
			kept, err := os.ReadDir(cache)
			if err == nil && len(kept) > 0 {
				err = fmt.Errorf("it was used: %v", kept)
			}
			return errors.Join(err, m.Close(ctx))
		}))
	}
	return all
}
