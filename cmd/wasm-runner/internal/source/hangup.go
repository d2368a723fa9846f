package source

import (
	"context"
	"os"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host/sink"
)

// hangups handles SIGHUP during a run. Log rotation sends it after renaming a file, and a terminal sends it when it is closed.
type hangups struct {
	app       *cli.App
	signals   chan os.Signal
	terminals []*os.File // the standard streams that were a terminal at the start
}

// watchHangups receives SIGHUP from now on. Without it the signal ends the command.
func watchHangups(a *cli.App) *hangups {
	h := &hangups{app: a, signals: make(chan os.Signal, 1)}
	for _, stream := range []any{a.Stdin, a.Stdout, a.Stderr} {
		if _, is := term.Columns(stream); is {
			h.terminals = append(h.terminals, stream.(*os.File))
		}
	}
	a.TakeHangups(h.signals)
	return h
}

// serve handles SIGHUP until stop is called. It reopens the files of the drains, reads the secrets of the connections and sinks
// again, and then calls reread, unless that is nil. If the terminal is gone, it interrupts the run instead, as SIGTERM does.
func (h *hangups) serve(ctx context.Context, g *group, reread func(context.Context, *group)) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-h.signals:
				if h.terminalIsGone() {
					h.app.Interrupt()
					return
				}
				if !g.hold() {
					return
				}
				h.reload(ctx, g.present())
				if reread != nil {
					reread(ctx, g)
				}
				g.release()
			}
		}
	}()
	return func() { // later signals are taken and have no effect
		close(done)
		<-ended
	}
}

// terminalIsGone reports whether a terminal of the start is closed.
func (h *hangups) terminalIsGone() bool {
	for _, t := range h.terminals {
		if _, is := term.Columns(t); !is {
			return true
		}
	}
	return false
}

// reload reopens files and reads secrets again, and reports the result in one line for each connection.
func (h *hangups) reload(ctx context.Context, members []*member) {
	for _, m := range members {
		d := m.drain
		files := "no file to reopen"
		if r, ok := d.Sink.(sink.Reopener); ok {
			switch anew, err := r.Reopen(); {
			case err != nil:
				files = err.Error()
			case anew:
				files = "file reopened"
			default:
				files = "file still at its path"
			}
		}
		secret := "token"
		if m.conn.Config().OAuth.ClientID != "" {
			secret = "private key"
		}
		changed, err := m.conn.ReloadToken(ctx)
		read := h.outcome(secret, changed, err)
		if s, ok := d.Sink.(interface {
			ReloadAuthorization(context.Context) (any, changed bool, err error)
		}); ok {
			if any, changed, err := s.ReloadAuthorization(ctx); any || err != nil {
				read += "; " + h.outcome("--out-authorization", changed, err)
			}
		}
		d.Say("SIGHUP: %s; %s", files, read)
	}
}

// outcome says what became of reading a secret again.
func (h *hangups) outcome(secret string, changed bool, err error) string {
	switch {
	case err != nil:
		return secret + " not read again (" + err.Error() + h.app.Outside(err) + "): the old one stays in use"
	case changed:
		return "new " + secret + " read"
	}
	return secret + " read again: it has not changed"
}
