package child

import (
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/mach5/okta-connector/host/internal/confine"
)

// Starter is a process that starts others for this one, which can no longer start any. It starts only what it was made with:
// commands, and this program with certain jobs. A hostile module may control this process. The Starter is confined as far as
// the needs of its children allow. It and its children end with this process. With a nil Starter, this process starts the
// children itself. It is safe for concurrent use.
type Starter struct {
	process *Process
	conn    *net.UnixConn

	mu      sync.Mutex
	last    uint32
	waiting map[uint32]*waiting
	ended   error // why nothing can be started any more
}

// waiting is a start whose process has not ended yet.
type waiting struct {
	started chan message
	files   chan *os.File
	ended   func(error)
	running bool
}

// message is what the two processes send each other. The files of a start come with it.
type message struct {
	Number  uint32        `json:"number"`
	Options bool          `json:"options,omitempty"` // the first message: its file has the StarterOptions
	Start   *startMessage `json:"start,omitempty"`
	Kill    bool          `json:"kill,omitempty"`

	PID   int    `json:"pid,omitempty"`   // it was started
	Ended bool   `json:"ended,omitempty"` // it has ended, or could not be started
	Error string `json:"error,omitempty"` // how it ended
}

// startMessage is a Spec whose files come with the message: the standard streams that it has, and the pipes.
type startMessage struct {
	Job     Job      `json:"job,omitempty"`
	Name    string   `json:"name,omitempty"`
	Home    string   `json:"home,omitempty"`
	Command []string `json:"command,omitempty"`
	Streams [3]bool  `json:"streams"`
}

const (
	// The largest message, and the most files with one.
	maxMessage = 128 << 10
	maxFiles   = 16
	// maxOptions is the most bytes of options. Linux gives a process at most 6 MiB of arguments and environment.
	maxOptions = 64 << 20
	// maxRunning is how many processes a Starter has at a time.
	maxRunning = 256
)

// NewStarter starts a Starter. It does not wait until the process is ready.
func NewStarter(o StarterOptions) (*Starter, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "starter")
	defer func() { _ = theirs.Close() }()
	conn, err := connOf(os.NewFile(uintptr(fds[0]), "starter"))
	if err != nil {
		return nil, err
	}
	s := &Starter{conn: conn, waiting: map[uint32]*waiting{}}
	if s.process, err = Start(Spec{Job: starting, Name: "(start)", Pipes: []*os.File{theirs}}, func(error) { s.fail(errStarterEnded) }); err != nil {
		_ = conn.Close()
		return nil, err
	}
	if err := sendOptions(conn, o); err != nil {
		s.Close()
		return nil, err
	}
	go s.listen()
	return s, nil
}

// sendOptions sends the first message. The options are in a file in memory, because a message is too small for some
// environments. Nobody can change the file.
func sendOptions(conn *net.UnixConn, o StarterOptions) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("options", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "options")
	defer func() { _ = f.Close() }() // the other process has its own
	if _, err := f.Write(text); err != nil {
		return err
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SEAL|unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_WRITE); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	return send(conn, message{Options: true}, f)
}

// receiveOptions receives what sendOptions sends.
func receiveOptions(conn *net.UnixConn) (o StarterOptions, err error) {
	first, files, err := receive(conn)
	if err != nil {
		return o, err
	}
	defer closeAll(files)
	if !first.Options || len(files) != 1 {
		return o, errors.New("it is not the first message")
	}
	return o, json.NewDecoder(io.NewSectionReader(files[0], 0, maxOptions)).Decode(&o)
}

// connOf returns a connection for a socket, and closes f.
func connOf(f *os.File) (*net.UnixConn, error) {
	defer func() { _ = f.Close() }()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		_ = c.Close()
		return nil, errors.New("it is no Unix socket")
	}
	return conn, nil
}

func send(conn *net.UnixConn, m message, files ...*os.File) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(text) > maxMessage || len(files) > maxFiles {
		return fmt.Errorf("it has %d bytes and %d files, and the limits are %d and %d", len(text), len(files), maxMessage, maxFiles)
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	_, _, err = conn.WriteMsgUnix(text, rights, nil)
	return err
}

// receive returns the next message and its files.
func receive(conn *net.UnixConn) (m message, files []*os.File, err error) {
	text, rights := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(4*maxFiles))
	n, rightsSize, flags, _, err := conn.ReadMsgUnix(text, rights)
	if err != nil {
		return m, nil, err
	}
	controls, err := unix.ParseSocketControlMessage(rights[:rightsSize])
	if err != nil {
		return m, nil, err
	}
	for _, c := range controls {
		fds, err := unix.ParseUnixRights(&c)
		if err != nil {
			continue // it has no files
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "file of a start"))
		}
	}
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		closeAll(files)
		return m, nil, errors.New("a message is too long")
	}
	if err = json.Unmarshal(text[:n], &m); err != nil {
		closeAll(files)
		return m, nil, err
	}
	return m, files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // they were handed on, or are not used
	}
}

// Start starts a process, as the function Start does.
func (s *Starter) Start(spec Spec, ended func(error)) (*Process, error) {
	if s == nil {
		return Start(spec, ended)
	}
	m := message{Start: &startMessage{Job: spec.Job, Name: spec.Name, Home: spec.Home, Command: spec.Command}}
	var files []*os.File
	add := func(i int, f *os.File) {
		if f != nil {
			m.Start.Streams[i] = true
			files = append(files, f)
		}
	}
	add(0, spec.Stdin)
	add(1, spec.Stdout)
	copied := make(chan struct{})
	if spec.Stderr != nil {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		add(2, w)
		defer func() { _ = w.Close() }()
		go func() {
			defer close(copied)
			_, _ = io.Copy(spec.Stderr, r) // what cannot be read is missing in a message
			_ = r.Close()
		}()
		given := ended
		ended = func(err error) {
			_ = r.SetReadDeadline(deadlineOf(waitDelay)) // a child of the child may have the pipe
			<-copied
			given(err)
		}
	}
	files = append(files, spec.Pipes...)

	w := &waiting{started: make(chan message, 1), files: make(chan *os.File, 1), ended: ended}
	s.mu.Lock()
	if s.ended != nil {
		s.mu.Unlock()
		return nil, s.ended
	}
	s.last++
	m.Number = s.last
	s.waiting[m.Number] = w
	s.mu.Unlock()
	if err := send(s.conn, m, files...); err != nil {
		s.mu.Lock()
		delete(s.waiting, m.Number)
		s.mu.Unlock()
		return nil, err
	}
	answer := <-w.started
	if answer.Ended {
		return nil, errors.New(answer.Error)
	}
	kill := func() { _ = send(s.conn, message{Number: m.Number, Kill: true}) } // else it has ended with the starter
	return &Process{PID: answer.PID, kill: kill, statm: <-w.files}, nil
}

// listen receives the messages of the other process until its end.
func (s *Starter) listen() {
	for {
		m, files, err := receive(s.conn)
		if err != nil {
			s.fail(errStarterEnded)
			return
		}
		if m.Number == 0 { // it could not confine itself
			s.fail(errors.New(m.Error))
			continue
		}
		s.mu.Lock()
		w := s.waiting[m.Number]
		var ended func(error)
		switch {
		case w == nil:
		case m.Ended:
			delete(s.waiting, m.Number)
			if w.running {
				ended = w.ended
			} else {
				w.started <- m
			}
		case !w.running:
			w.running = true
			w.started <- m
			if len(files) == 1 {
				w.files <- files[0]
				files = nil
			} else {
				w.files <- nil
			}
		}
		s.mu.Unlock()
		closeAll(files)
		if ended != nil {
			go ended(asError(m.Error))
		}
	}
}

// asError returns an error with a text, nil if it is empty.
func asError(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}

// fail ends all processes that were started, and refuses further starts.
func (s *Starter) fail(reason error) {
	s.mu.Lock()
	if s.ended == nil {
		s.ended = reason
	}
	all := s.waiting
	reason, s.waiting = s.ended, map[uint32]*waiting{}
	s.mu.Unlock()
	for _, w := range all {
		if w.running {
			go w.ended(reason)
		} else {
			w.started <- message{Ended: true, Error: reason.Error()}
		}
	}
}

// Close ends the process and all that it started. A nil Starter may be closed.
func (s *Starter) Close() {
	if s == nil {
		return
	}
	_ = s.conn.Close() // which ends it
	s.process.Kill()
}

// RunStarterIfAsked runs this process as a Starter, if another process started it as one. It then does not return.
func RunStarterIfAsked() {
	if !Asked(starting) {
		return
	}
	signal.Ignore(os.Interrupt, syscall.SIGTERM) // a terminal sends them to all processes, and the other one handles them
	IgnoreHangup()
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// server is the process of a Starter.
type server struct {
	conn    *net.UnixConn
	options StarterOptions

	mu      sync.Mutex
	running map[uint32]*Process
}

func serve() error {
	files, err := Files(starting, 1)
	if err != nil {
		return err
	}
	s := &server{running: map[uint32]*Process{}}
	if s.conn, err = connOf(files[0]); err != nil {
		return notAsked(starting)
	}
	if s.options, err = receiveOptions(s.conn); err != nil {
		return notAsked(starting)
	}
	for _, variable := range s.options.Env {
		if path, ok := strings.CutPrefix(variable, "PATH="); ok {
			if err := os.Setenv("PATH", path); err != nil { // where commands are looked for
				return err
			}
		}
	}
	policy := s.options.Policy
	policy.Start = true
	if !policy.AllFiles {
		policy.Execute = executables()
	}
	if _, err := confine.Apply(policy); err != nil {
		return send(s.conn, message{Error: fmt.Sprintf("the process that starts others cannot be confined: %v", err)})
	}
	for {
		m, files, err := receive(s.conn)
		if err != nil {
			s.killAll() // the other process has ended
			return nil
		}
		switch {
		case m.Start != nil:
			s.start(m.Number, *m.Start, files)
		case m.Kill:
			s.mu.Lock()
			p := s.running[m.Number]
			s.mu.Unlock()
			if p != nil {
				p.Kill()
			}
			closeAll(files)
		default:
			closeAll(files)
		}
	}
}

// executables returns this program and the program that loads its libraries.
func executables() []string {
	all := []string{"/proc/self/exe"}
	program, err := elf.Open("/proc/self/exe")
	if err != nil {
		return all
	}
	defer func() { _ = program.Close() }() // read only
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			if text, err := io.ReadAll(io.LimitReader(p.Open(), unix.PathMax)); err == nil {
				all = append(all, strings.TrimRight(string(text), "\x00"))
			}
		}
	}
	return all
}

// allows returns an error for a start that is not one of the options.
func (o StarterOptions) allows(m startMessage) error {
	switch {
	case len(m.Command) > 0:
		if slices.ContainsFunc(o.Commands, func(c []string) bool { return sameCommand(c, m.Command) }) {
			return nil
		}
	case slices.Contains(o.Jobs, m.Job):
		return nil
	}
	return errNotNamed
}

// start starts a process and sends what became of it.
func (s *server) start(number uint32, m startMessage, files []*os.File) {
	defer closeAll(files)
	failed := func(err error) { _ = send(s.conn, message{Number: number, Ended: true, Error: err.Error()}) } // if it fails, the other process has ended
	err := s.options.allows(m)
	s.mu.Lock()
	if err == nil && len(s.running) >= maxRunning {
		err = fmt.Errorf("%d processes run already, the most at a time", maxRunning)
	}
	s.mu.Unlock()
	if err != nil {
		failed(err)
		return
	}
	spec := Spec{Job: m.Job, Name: m.Name, Home: m.Home, Command: m.Command}
	rest := files
	next := func(i int) (f *os.File) {
		if m.Streams[i] && len(rest) > 0 {
			f, rest = rest[0], rest[1:]
		}
		return f
	}
	spec.Stdin, spec.Stdout = next(0), next(1)
	if f := next(2); f != nil {
		spec.Stderr = f
	}
	spec.Pipes, spec.env = rest, s.options.Env
	sent := make(chan struct{}) // it has started before it ends
	p, err := Start(spec, func(err error) {
		<-sent
		s.mu.Lock()
		delete(s.running, number)
		s.mu.Unlock()
		text := ""
		if err != nil {
			text = err.Error()
		}
		_ = send(s.conn, message{Number: number, Ended: true, Error: text}) // if it fails, the other process has ended
	})
	if err != nil {
		failed(err)
		return
	}
	s.mu.Lock()
	s.running[number] = p
	s.mu.Unlock()
	var open []*os.File
	if statm := openStatm(p.PID); statm != nil {
		open = append(open, statm)
	}
	_ = send(s.conn, message{Number: number, PID: p.PID}, open...) // if it fails, the other process has ended
	closeAll(open)
	close(sent)
}

func (s *server) killAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.running {
		p.Kill()
	}
}
