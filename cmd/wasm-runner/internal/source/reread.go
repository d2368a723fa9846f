package source

import (
	"context"
	"reflect"
	"slices"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/connections"
)

// reread reads the connection file again for a run of --follow. It is used by one goroutine.
type reread struct {
	run   *run
	known []host.Config                           // the configurations of the members, as the file had them
	join  func(*host.Connection) (*member, error) // opens the files of a connection
	only  string                                  // the connection of the run; "" with --all
}

// change makes the group what the connection file says now: it starts new connections, ends those that are gone, and starts
// changed ones again from their checkpoint. If the file is not valid, all stays as it is. A changed connection that does not
// start goes on with its old settings.
func (r *reread) change(ctx context.Context, g *group) {
	a := r.run.app
	if a.Flags.Config == "-" || a.Flags.Demo {
		return // standard input can be read only once
	}
	configs, path, err := a.ReadConnections()
	if err != nil {
		a.Warnf("SIGHUP: the connections stay as they are: %s", err)
		return
	}
	configs = slices.DeleteFunc(configs, func(c host.Config) bool { return a.CheckKind(c, path) != nil })
	if r.only != "" {
		configs = slices.DeleteFunc(configs, func(c host.Config) bool { return c.Name != r.only })
		if len(configs) == 0 {
			a.Warnf("SIGHUP: %s is no longer in %s: its stream goes on with the old settings", r.only, path)
			return
		}
	}
	before := r.known
	r.known = nil
	for _, old := range before {
		i := slices.IndexFunc(configs, func(c host.Config) bool { return c.Name == old.Name })
		switch {
		case i < 0:
			r.remove(ctx, g, old.Name)
			a.Warnf("SIGHUP: %s is no longer in %s: its stream has ended", old.Name, path)
		case reflect.DeepEqual(configs[i], old):
			r.known = append(r.known, old)
		default:
			r.known = append(r.known, r.replace(ctx, g, old, configs[i]))
		}
	}
	for _, config := range configs {
		if slices.ContainsFunc(before, func(c host.Config) bool { return c.Name == config.Name }) {
			continue
		}
		if err := r.start(ctx, g, config); err != nil {
			a.Warnf("SIGHUP: %s does not start: %s: correct it, and send SIGHUP again%s", config.Name, err, a.Outside(err))
			continue
		}
		r.known = append(r.known, config)
		a.Warnf("SIGHUP: %s is new: its stream has started", config.Name)
	}
}

// replace starts a connection again with other settings, and returns the settings with which it goes on.
func (r *reread) replace(ctx context.Context, g *group, old, config host.Config) host.Config {
	a := r.run.app
	conn, err := connectForSource(ctx, a, r.run.session.Module, config, false) // the old settings work
	if err != nil {
		a.Warnf("SIGHUP: %s goes on with its old settings, since the new ones do not work: %s%s", old.Name, err, a.Outside(err))
		return old
	}
	r.remove(ctx, g, old.Name) // its files can be opened only once
	if err = r.add(ctx, g, conn); err == nil {
		a.Warnf("SIGHUP: %s has changed: its stream goes on from its checkpoint", config.Name)
		return config
	}
	a.Warnf("SIGHUP: %s goes on with its old settings, since the new ones do not work: %s%s", old.Name, err, a.Outside(err))
	if err := r.start(ctx, g, old); err != nil {
		a.Warnf("SIGHUP: %s does not start again with its old settings: %s%s", old.Name, err, a.Outside(err))
	}
	return old
}

// remove ends the stream of a connection.
func (r *reread) remove(ctx context.Context, g *group, name string) {
	for _, m := range g.present() {
		if m.conn.Config().Name == name {
			g.remove(ctx, m)
		}
	}
}

// start connects to a connection and drains it.
func (r *reread) start(ctx context.Context, g *group, config host.Config) error {
	conn, err := connectForSource(ctx, r.run.app, r.run.session.Module, config, !connections.HasCommand(config)) // a new command never starts
	if err != nil {
		return err
	}
	return r.add(ctx, g, conn)
}

// add opens the files of a connection and drains it. If that fails, it closes the connection.
func (r *reread) add(ctx context.Context, g *group, conn *host.Connection) error {
	m, err := r.join(conn)
	if err != nil {
		_ = conn.Close(ctx) // it did nothing
		return err
	}
	g.add(m)
	g.start(ctx, m)
	return nil
}

// connectForSource connects to a connection. With await, its secret may be unreadable: its source then fails, or with --follow
// tries again.
func connectForSource(ctx context.Context, a *cli.App, m *host.Module, config host.Config, await bool) (*host.Connection, error) {
	c, err := m.Connect(ctx, a.ForReading(config), host.ConnectOptions{Secrets: a.Secrets(), AwaitToken: await, Limits: host.Limits{CallTimeout: a.Flags.Timeout}})
	return c, a.Located(config, err)
}
