package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mach5/okta-connector/host/internal/confine"
)

// parentEnv makes the test binary a parent with a starter and a command, whose process it prints.
const parentEnv = "STARTER_PARENT"

func TestMain(m *testing.M) {
	RunStarterIfAsked()
	if os.Getenv(parentEnv) != "" {
		s, err := NewStarter(StarterOptions{Commands: [][]string{{"sleep", "600"}}, Env: os.Environ(), Policy: open})
		if err == nil {
			var p *Process
			if p, err = s.Start(Spec{Command: []string{"sleep", "600"}}, func(error) {}); err == nil {
				fmt.Println(p.PID)
			}
		}
		fmt.Println(err)
		select {}
	}
	os.Exit(m.Run())
}

// open leaves files and network.
var open = confine.Policy{AllFiles: true, Network: true, Unix: true, Attributes: true}

func starter(t *testing.T, commands ...[]string) *Starter {
	t.Helper()
	s, err := NewStarter(StarterOptions{Commands: commands, Env: os.Environ(), Policy: open})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestStarter_NamedCommand_GivesItsOutput(t *testing.T) {
	command := []string{"sh", "-c", "echo a; echo b >&2"}
	for name, s := range map[string]*Starter{"a starter": starter(t, command), "this process": nil} {
		for range 3 {
			if out, err := s.Output(t.Context(), command, 100); err != nil || string(out) != "a\n" {
				t.Errorf("%s: %q, %v", name, out, err)
			}
		}
	}
}

func TestOutput_Environment_IsThatOfTheOptions(t *testing.T) {
	t.Setenv("OF_THE_PROCESS", "x")
	command := []string{"/bin/sh", "-c", "echo $GIVEN/$OF_THE_PROCESS"}
	for _, env := range [][]string{{"GIVEN=a"}, {}, nil} {
		s, err := NewStarter(StarterOptions{Commands: [][]string{command}, Env: env, Policy: open})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		want := "/\n"
		if len(env) > 0 {
			want = "a/\n"
		}
		for name, start := range map[string]interface {
			Output(context.Context, []string, int) ([]byte, error)
		}{"a starter": s, "this process": Commands(env)} {
			if out, err := start.Output(t.Context(), command, 100); err != nil || string(out) != want {
				t.Errorf("%s with %q: %q, %v", name, env, out, err)
			}
		}
	}
}

func TestStarter_LargeEnvironment_ReachesTheCommand(t *testing.T) {
	var env []string
	for i := range 8 { // one variable has at most 128 KiB on Linux
		env = append(env, fmt.Sprintf("V%d=%s", i, strings.Repeat("x", 100<<10)))
	}
	command := []string{"/bin/sh", "-c", "echo ${#V0} ${#V7}"}
	s, err := NewStarter(StarterOptions{Commands: [][]string{command}, Env: env, Policy: open})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if out, err := s.Output(t.Context(), command, 100); err != nil || string(out) != "102400 102400\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestStarter_OtherCommand_IsRefused(t *testing.T) {
	s := starter(t, []string{"echo", "a b"}, []string{"true"})
	for _, c := range [][]string{{"echo"}, {"echo", "a", "b"}, {"echo", "a b", ""}, {"false"}, {"sh", "-c", "id"}, {""}} {
		if out, err := s.Output(t.Context(), c, 100); err == nil || err.Error() != errNotNamed.Error() {
			t.Errorf("%q: %q, %v", c, out, err)
		}
	}
	for _, job := range []Job{SQL, Compile, starting, "OTHER"} {
		if _, err := s.Start(Spec{Job: job}, func(error) {}); err == nil || err.Error() != errNotNamed.Error() {
			t.Errorf("job %s: %v", job, err)
		}
	}
	if _, err := s.Output(t.Context(), []string{"true"}, 100); err != nil {
		t.Errorf("the named one: %v", err)
	}
}

func TestStarter_CommandThatFails_IsAnErrorWithoutItsText(t *testing.T) {
	fails, none := []string{"sh", "-c", "echo SECRET; echo SECRET >&2; exit 3"}, []string{"/no/such/program"}
	long, lasting, behind := []string{"sh", "-c", "yes SECRET"}, []string{"sh", "-c", "echo SECRET; sleep 600"}, []string{"sh", "-c", "echo SECRET; sleep 600 & "}
	s := starter(t, fails, none, long, lasting, behind)
	for _, c := range []struct {
		command []string
		problem string
	}{{fails, "exit status 3"}, {none, "no such file"}, {long, "it wrote over 1000 bytes"}, {lasting, "deadline"}} {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		out, err := s.Output(ctx, c.command, 1000)
		cancel()
		if err == nil || !strings.Contains(err.Error(), c.problem) || strings.Contains(err.Error(), "SECRET") || out != nil {
			t.Errorf("%q: %q, %v", c.command, out, err)
		}
	}
	if out, err := s.Output(t.Context(), behind, 1000); err != nil || string(out) != "SECRET\n" {
		t.Errorf("a command that left a child: %q, %v", out, err)
	}
}

func TestStarter_Process_GetsStreams(t *testing.T) {
	s, err := NewStarter(StarterOptions{Commands: [][]string{{"sh", "-c", "cat; echo wrong >&2; exit 1"}}, Env: os.Environ(), Policy: open})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stdin, give, _ := os.Pipe()
	got, stdout, _ := os.Pipe()
	if stdin == nil || got == nil {
		t.Fatal("no pipes")
	}
	var stderr Beginning
	ended := make(chan error, 1)
	p, err := s.Start(Spec{Command: []string{"sh", "-c", "cat; echo wrong >&2; exit 1"}, Stdin: stdin, Stdout: stdout, Stderr: &stderr}, func(err error) { ended <- err })
	if err != nil {
		t.Fatal(err)
	}
	_, _ = stdin.Close(), stdout.Close()
	gauge := p.MemoryGauge()
	defer gauge.Close()
	if gauge.Base() <= 0 {
		t.Error("its memory is not measured")
	}
	_, err1 := give.WriteString("hello")
	if err := errors.Join(err1, give.Close()); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(got)
	end := <-ended
	if string(text) != "hello" || err != nil || end == nil || !strings.Contains(stderr.String(), "wrong") {
		t.Errorf("it wrote %q, %q, %v, and ended with %v", text, stderr.String(), err, end)
	}
}

func TestStarter_Kill_EndsTheProcessAndItsChildren(t *testing.T) {
	command := []string{"sh", "-c", "sleep 600 & echo $!; wait"}
	s := starter(t, command)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	p, err := s.Start(Spec{Command: command, Stdout: w}, func(err error) { ended <- err })
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	var grandchild int
	if _, err := fmt.Fscan(r, &grandchild); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	p.Kill()
	if err := <-ended; err == nil || err.Error() != "signal: killed" {
		t.Errorf("it ended with %v", err)
	}
	if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 { // its end is the end of the grandchild
		t.Errorf("%q, %v", rest, err)
	}
}

func TestStarter_ThatIsKilled_EndsWhatItStarted(t *testing.T) {
	command := []string{"sleep", "600"}
	s := starter(t, command)
	ended := make(chan error, 1)
	p, err := s.Start(Spec{Command: command}, func(err error) { ended <- err })
	if err != nil {
		t.Fatal(err)
	}
	s.process.Kill()
	if err := <-ended; !errors.Is(err, errStarterEnded) {
		t.Errorf("it ended with %v", err)
	}
	gone(t, p.PID)
	if _, err := s.Start(Spec{Command: command}, func(error) {}); !errors.Is(err, errStarterEnded) {
		t.Errorf("the next: %v", err)
	}
}

func TestStarter_ParentIsKilled_EndsWithIt(t *testing.T) {
	parent := exec.Command("/proc/self/exe")
	parent.Env = append(os.Environ(), parentEnv+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	_ = parent.Process.Kill()
	_ = parent.Wait()
	gone(t, pid)
}

// gone waits until a process has ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	for syscall.Kill(pid, 0) == nil {
		if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil || bytes.Contains(text, []byte(") Z ")) {
			return // a zombie of a process that does not wait
		}
		if t.Context().Err() != nil {
			t.Fatalf("process %d goes on", pid)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A process that an attacker controls may send anything.
func TestStarter_InvalidMessages_EndNothing(t *testing.T) {
	s := starter(t, []string{"true"})
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	for _, m := range []message{{}, {Number: 7, Kill: true}, {Number: 8, Ended: true}, {Options: true},
		{Number: 9, Start: &startMessage{Streams: [3]bool{true, true, true}}}} {
		if err := send(s.conn, m, null, null, null, null); err != nil {
			t.Fatal(err)
		}
	}
	if err := sendOptions(s.conn, StarterOptions{Commands: [][]string{{"id"}}, Policy: open}); err != nil {
		t.Fatal(err)
	}
	if out, err := s.Output(t.Context(), []string{"id"}, 1000); err == nil {
		t.Errorf("a command of a second message of options was started: %s", out)
	}
	if _, err := s.Output(t.Context(), []string{"true"}, 100); err != nil {
		t.Error(err)
	}
}

func TestStarter_IsConfined(t *testing.T) {
	if r := confine.Supported(); r.Landlock == 0 || !r.Seccomp {
		t.Skipf("this kernel has %s", r)
	}
	s := starter(t, []string{"true"})
	if _, err := s.Output(t.Context(), []string{"true"}, 100); err != nil { // it is confined before it starts anything
		t.Fatal(err)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.PID))
	if err != nil || !strings.Contains(string(text), "NoNewPrivs:\t1\n") || !strings.Contains(string(text), "Seccomp:\t2\n") {
		t.Errorf("%v\n%s", err, text)
	}
}
