//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

// Package child is the SQL process: it has DuckDB, confines itself, and asks the process that started it for rows.
package child

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/mach5/okta-connector/host/internal/child"
	"github.com/mach5/okta-connector/host/internal/confine"
	"github.com/mach5/okta-connector/host/sql/internal/engine"
	"github.com/mach5/okta-connector/host/sql/internal/wire"
)

// Main runs this process as the SQL process of another, and returns its exit code.
func Main() int {
	signal.Ignore(os.Interrupt, syscall.SIGTERM) // a terminal sends them to both processes, and the other one handles them
	child.IgnoreHangup()
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// served is this process as a child.
type served struct {
	talk     *wire.Writer
	engine   *engine.Engine
	commands chan command
	running  struct { // the statement that can be interrupted
		sync.Mutex
		number uint32
		cancel context.CancelFunc
	}
}

type command struct {
	kind    wire.Kind
	payload []byte
}

func serve() error {
	files, err := child.Files(child.SQL, 4)
	if err != nil {
		return err
	}
	child.KeepFilesPrivate()
	c := &served{talk: wire.NewWriter(files[1]), commands: make(chan command)}
	// DuckDB looks at the machine when it starts, which a confined process cannot. There is no hostile input yet.
	if c.engine, err = engine.New(context.Background(), c.log); err != nil {
		return c.end(err)
	}
	go c.listen(wire.NewReader(files[0], wire.MaxCommand))
	asker := newAsker(files[2], files[3])
	first := <-c.commands
	var setup wire.SetupMessage
	if first.kind != wire.Setup {
		return errors.New("this process must be started by another one: unset " + string(child.SQL))
	}
	if err := json.Unmarshal(first.payload, &setup); err != nil {
		return err
	}
	walls, err := confine.Apply(policy(setup))
	if err != nil {
		return c.end(fmt.Errorf("the SQL process cannot be confined: %w", err))
	}
	ctx, done := c.begin(0)
	err = c.engine.Prepare(ctx, setup, asker)
	done()
	if err != nil {
		return c.end(err)
	}
	if err := c.talk.SendJSON(wire.Ready, wire.ReadyMessage{Walls: walls.String()}); err != nil {
		return err
	}
	for next := range c.commands {
		switch next.kind {
		case wire.Run:
			err = c.run(next.payload)
		case wire.Complete:
			err = c.complete(string(next.payload))
		case wire.Quit:
			return c.end(c.engine.Close())
		default:
			err = fmt.Errorf("no command %q", next.kind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// policy returns which folders this process may still use: the folder of its database, in which DuckDB makes other files, and
// the folders that queries may use.
func policy(setup wire.SetupMessage) confine.Policy {
	p := confine.Policy{Write: setup.Around}
	if setup.Data > 0 {
		p.Data = confine.DataInUse() + setup.Data
	}
	switch {
	case !setup.AllowFiles:
	case len(setup.Folders) == 0:
		p.Write = append(p.Write, string(filepath.Separator))
	default:
		p.Write = append(p.Write, setup.Folders...)
	}
	return p
}

// listen reads commands until the other process ends, which ends this one.
func (c *served) listen(in *wire.Reader) {
	for {
		kind, payload, err := in.Next()
		if err != nil {
			os.Exit(0)
		}
		if kind == wire.Interrupt {
			if number, _, err := wire.TakeNumber(payload); err == nil {
				c.interrupt(number)
			}
			continue
		}
		c.commands <- command{kind, append([]byte(nil), payload...)}
	}
}

// begin makes a statement the one that can be interrupted.
func (c *served) begin(number uint32) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(context.Background())
	c.running.Lock()
	defer c.running.Unlock()
	c.running.number, c.running.cancel = number, cancel
	return ctx, func() {
		c.running.Lock()
		defer c.running.Unlock()
		c.running.cancel = nil
		cancel()
	}
}

func (c *served) interrupt(number uint32) {
	c.running.Lock()
	defer c.running.Unlock()
	if c.running.cancel != nil && c.running.number == number {
		c.running.cancel()
	}
}

// rowsPiece is the approximate number of bytes of rows that are sent at a time.
const rowsPiece = 64 << 10

func (c *served) run(payload []byte) error {
	number, text, err := wire.TakeNumber(payload)
	if err != nil {
		return err
	}
	ctx, done := c.begin(number)
	defer done()
	err = c.engine.Run(ctx, string(text), func(r *engine.Result) error {
		head, err := json.Marshal(wire.HeadMessage{Columns: r.Columns, Changed: r.Changed})
		if err != nil {
			return err
		}
		if len(head) > wire.MaxTalk {
			return fmt.Errorf("%w: the names of its columns are over %d bytes together", wire.ErrLimit, wire.MaxTalk)
		}
		if err := c.talk.Send(wire.Head, head); err != nil {
			return err
		}
		var b []byte
		for row, err := range r.Rows() {
			if err != nil {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if b, err = wire.AppendRow(b, row); err != nil {
				return err
			}
			if len(b) >= rowsPiece {
				if err := c.rows(b); err != nil {
					return err
				}
				b = b[:0]
			}
		}
		return c.rows(b)
	})
	return c.end(err)
}

// rows sends rows in frames that are not too large.
func (c *served) rows(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), wire.MaxTalk)
		if err := c.talk.Send(wire.Rows, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// end sends the end of a command.
func (c *served) end(err error) error {
	var m wire.EndMessage
	if err != nil {
		m.Error = err.Error()
		m.Canceled, m.Broken = errors.Is(err, context.Canceled), errors.Is(err, engine.ErrBroken)
		if len(m.Error) > wire.MaxMessage {
			m.Error = m.Error[:wire.MaxMessage]
		}
	}
	return c.talk.SendJSON(wire.End, m)
}

func (c *served) complete(unfinished string) error {
	ctx, done := c.begin(0)
	defer done()
	all := c.engine.Complete(ctx, unfinished)
	if len(all) > maxCompletions {
		all = all[:maxCompletions]
	}
	return c.talk.SendJSON(wire.Completions, all)
}

// maxCompletions is the maximum number of completions. Nobody reads more.
const maxCompletions = 1000

func (c *served) log(message, detail string) {
	if len(detail) > wire.MaxMessage {
		detail = detail[:wire.MaxMessage]
	}
	_ = c.talk.SendJSON(wire.Log, wire.LogMessage{Message: message, Detail: detail}) // if it fails, the other process has ended
}
