package attacks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/abi/conformance/internal/kit"
	"github.com/mach5/okta-connector/abi/conformance/target"
)

// importAttacks call every import with invalid arguments.
func importAttacks() []kit.Attack {
	var all []kit.Attack
	// call runs steps in a module. The result must pass check, nothing may be sent, and the session must still work.
	call := func(name, wall string, check func(*kit.Result) error, steps ...string) {
		all = append(all, kit.Attack{Family: "imports", Name: name, Wall: wall, Run: func(a *kit.Attempt) error {
			r, err := a.NewRig(kit.RigOptions{})
			if err != nil {
				return err
			}
			res, err := r.Run("read", steps...)
			if err != nil {
				return err
			}
			if err := check(res); err != nil {
				return err
			}
			return r.Serves()
		}})
	}
	const outside = "message bounds"
	trapped := func(r *kit.Result) error { return errors.Join(r.Ended(abi.Failed), r.Saw()) }
	returns := func(want string) func(*kit.Result) error {
		return func(r *kit.Result) error { return errors.Join(r.Succeeded(), r.Contains(0, want), r.Saw()) }
	}
	is := func(i int, want uint64) func(*kit.Result) error {
		return func(r *kit.Result) error {
			if err := r.Succeeded(); err != nil {
				return err
			}
			if got := r.Value(i); got != want {
				return fmt.Errorf("step %d returned %d, want %d", i, got, want)
			}
			return nil
		}
	}
	const far = "0xffffffffffffffff"
	call("http_send of no message", outside, returns(`"malformed"`), kit.Step("http_send", "", 0))
	call("http_send of an invalid offset", outside, returns(`"malformed"`), kit.Step("http_send", "", 0x10000))
	call("http_send of an offset beyond memory", outside, returns(`"malformed"`), kit.Step("http_send", "", far))
	call("http_send of an offset over 32 bits", outside, returns(`"malformed"`), kit.Step("http_send", "", "0x100000040"))
	call("http_send of the middle of a message", outside, returns(`"malformed"`), kit.Step("http_send", kit.Get, 72))
	call("http_send of its own response", outside, func(r *kit.Result) error { return errors.Join(r.Succeeded(), r.Contains(1, `"malformed"`)) },
		kit.Step("http_send", "", 0), kit.Step("http_send", "", "{last}"))
	call("http_send of a freed message", outside, func(r *kit.Result) error { return errors.Join(r.Succeeded(), r.Contains(2, `"malformed"`)) },
		kit.Step("message of", "", 64), kit.Step("free", "", "{last}"), kit.Step("http_send", "", "{last}"))
	call("a message of 2 MiB", "message size", returns(`"malformed"`), growing("http_send", kit.Logs+"{{grow}}", " ", 2<<20))
	call("records_emit of an unknown body", "handles", returns("no body"), kit.Step("records_emit", "{}", 7))
	call("records_emit of body 0", "handles", returns("no body"), kit.Step("records_emit", "{}", 0))
	call("records_emit of a handle near 2^64", "handles", returns("no body"), kit.Step("records_emit", "{}", far))
	call("records_emit of a handle over 32 bits", "handles", func(r *kit.Result) error {
		return errors.Join(r.Succeeded(), r.Contains(1, "no body"))
	}, kit.Send(kit.Get), kit.Step("records_emit", "{}", "0x100000001"))
	call("body_read of a handle over 32 bits", "handles", is(1, 0), kit.Send(kit.Get), kit.Step("body_read", "", "0x100000001", 0, 100))
	call("body_read of an unknown body", "handles", is(0, 0), kit.Step("body_read", "", 7, 0, 100))
	call("body_read of a handle near 2^64", "handles", is(0, 0), kit.Step("body_read", "", far, 0, 100))
	call("body_read from after the body", "body bounds", is(1, 0), kit.Send(kit.Get), kit.Step("body_read", "", "{handle}", 1<<20, 100))
	call("body_read from near 2^64", "body bounds", is(1, 0), kit.Send(kit.Get), kit.Step("body_read", "", "{handle}", far, 100))
	call("body_read beyond the body", "body bounds", func(r *kit.Result) error {
		if got := strings.TrimRight(r.Text(1), " "); got != `{"id":"it01"}` {
			return fmt.Errorf("a body of 13 bytes was read as %q", got)
		}
		return nil
	}, kit.Send(kit.Get), kit.Step("body_read", "", "{handle}", 0, far))
	call("body_read whose end wraps around", "body bounds", func(r *kit.Result) error {
		if got := strings.TrimRight(r.Text(1), " "); got != `"it01"}` {
			return fmt.Errorf("bytes 6 to 13 were read as %q", got)
		}
		return nil
	}, kit.Send(kit.Get), kit.Step("body_read", "", "{handle}", 6, "0xfffffffffffffffe"))
	call("records_emit with invalid options", "emit options", returns("options"), kit.Step("records_emit", `{"path":1}`, 1))
	call("records_emit with an unknown option", "emit options", returns("options"), kit.Step("records_emit", `{"file":"/etc/passwd"}`, 1))
	call("records_emit along a path of another language", "emit options", returns("path"), kit.Step("records_emit", `{"path":"#(id==1)|@tostr"}`, 1))
	call("records_emit with a thousand paths", "emit options", returns("paths"),
		kit.Step("records_emit", `{"summarise":["a"`+strings.Repeat(`,"a"`, 1000)+`]}`, 1))
	call("records_emit of the same records twice", "emit once", func(r *kit.Result) error {
		return errors.Join(r.Succeeded(), r.Contains(2, "already"))
	}, kit.Send(kit.Get), kit.Step("records_emit", "{}", "{handle}"), kit.Step("records_emit", "{}", "{handle}"))
	call("records_emit with negative numbers", "emit options", func(r *kit.Result) error { return r.Succeeded() },
		kit.Send(kit.Get), kit.Step("records_emit", `{"skip":-5,"limit":-5}`, "{handle}"))
	for what, text := range map[string]string{
		"a list": "[1]", "a number": "7", "text that is not JSON": "{", "two objects": "{}{}", "nothing": " ", "a list of two objects": "[{},{}]",
	} {
		call("record_emit of "+what, "record shape", is(0, 0), kit.Step("record_emit", text))
	}
	call("record_emit of an invalid offset", outside, is(0, 0), kit.Step("record_emit", "", far))
	call("secret_get of another name", "secrets by name", returns("error"), kit.Step("secret_get", "env:API_TOKEN"))
	call("secret_get of a path", "secrets by name", returns("error"), kit.Step("secret_get", "file:/etc/passwd"))
	call("secret_get of nothing", "secrets by name", returns("error"), kit.Step("secret_get", "", 0))
	all = append(all, kit.Attack{Family: "imports", Name: "a wait past the deadline", Wall: "waiting", Run: func(a *kit.Attempt) error {
		res, err := a.One(kit.RigOptions{Limits: target.Limits{CallTimeout: 2 * time.Second}}, "read", kit.Step("wait", "", far))
		if err != nil {
			return err
		}
		return is(0, 0)(res)
	}})
	call("alloc of 2^63 bytes", "memory of messages", is(0, 0), kit.Step("alloc", "", "0x8000000000000000"))
	call("alloc of 4 GiB minus one", "memory of messages", is(0, 0), kit.Step("alloc", "", "0xffffffff"))
	call("messages beyond the limit", "memory of messages", is(0, 0), kit.Times(64, kit.Step("alloc", "", 1<<20)))
	call("length of the middle of a message", outside, is(0, 0), kit.Step("length of the middle", "a message of some words"))
	call("length of a freed message", outside, is(0, 0), kit.Step("length of what was freed", "a message"))
	call("length of an invalid offset", outside, is(0, 0), kit.Step("length", "", far))
	call("length_unsafe of an invalid offset", outside, is(0, 0), kit.Step("length_unsafe", "", "0xfffffff8"))
	call("free of an invalid offset", outside, is(0, 0), kit.Step("free", "", far))
	call("free of the input", outside, func(r *kit.Result) error { return r.Ended(abi.Succeeded, abi.Failed) },
		kit.Step("free", "", 64), kit.Step("message of", "", 4096))
	call("a message freed twice", outside, func(r *kit.Result) error {
		if r.Value(2) == r.Value(3) {
			return errors.New("the same message was allocated twice")
		}
		return r.Succeeded()
	}, kit.Step("message of", "", 64), kit.Step("free twice", "", "{last}"), kit.Step("alloc", "", 64), kit.Step("alloc", "", 64))
	for _, f := range []string{"load_u8", "load_u64", "store_u8", "store_u64"} {
		call(f+" beyond memory", outside, trapped, kit.Step(f, "", "0xfffffff0", 1))
		call(f+" at 0, where bookkeeping may be", outside, func(r *kit.Result) error { return r.Ended(abi.Failed, abi.Succeeded) }, kit.Step(f, "", 0, "0xffffffff"))
	}
	call("input_load_u64 beyond memory", outside, trapped, kit.Step("input_load_u64", "", "0xfffffff0"))
	call("input_load_u8 after the input", outside, func(r *kit.Result) error { return r.Ended(abi.Failed, abi.Succeeded) }, kit.Step("input_load_u8", "", "0x7fffffff"))
	call("fd_write of standard output", "no output", is(0, 0), kit.Step("fd_write", "printed", 1))
	call("fd_write of a file that was not opened", "no files", is(0, 8), kit.Step("fd_write", "printed", 7))
	call("fd_write of 10,000 buffers at once", "no output", func(r *kit.Result) error { return r.Ended(abi.Succeeded, abi.Failed) }, kit.Step("fd_write vectors", strings.Repeat("x", 4096), 2, 10_000))
	call("fd_write of buffers outside of memory", "no output", func(r *kit.Result) error { return r.Ended(abi.Succeeded, abi.Failed) }, kit.Step("fd_write nowhere", "", "0xfffffff0", 8))
	call("fd_close of a file that was not opened", "no files", is(0, 8), kit.Step("fd_close", "", 7))
	call("fd_read of a file that was not opened", "no files", is(0, 8), kit.Step("fd_read", "", 3))
	call("folders that were opened before", "no files", is(0, 8), kit.Step("fd_prestat_get", "", 3))
	call("the environment", "no environment", is(0, 0), kit.Step("environ", ""))
	call("the arguments", "no environment", is(0, 0), kit.Step("args", ""))
	call("random_get of 4 GiB", "no input", func(r *kit.Result) error { return r.Ended(abi.Succeeded, abi.Failed) }, kit.Step("random_get", "", 0, "0xffffffff"))
	std := func(name, wall string, run func(r *kit.Rig) error) {
		all = append(all, kit.Attack{Family: "imports", Name: name, Wall: wall, Run: func(a *kit.Attempt) error {
			return withStandardFiles(a, func(out *os.File) error {
				r, err := a.NewRig(kit.RigOptions{})
				if err != nil {
					return err
				}
				if err := run(r); err != nil {
					return err
				}
				printed, err := os.ReadFile(out.Name())
				if err == nil && strings.Contains(string(printed), marker) {
					err = errors.New("it is in the output of the host's process")
				}
				return err
			})
		}})
	}
	for i, fd := range []string{"standard output", "standard error"} {
		std("a module that prints to "+fd, "no output", func(r *kit.Rig) error {
			res, err := r.Run("read", kit.Step("fd_write", marker+"\n", i+1))
			if err != nil {
				return err
			}
			return res.Ended(abi.Succeeded, abi.Failed)
		})
	}
	std("a module that reads standard input", "no input", func(r *kit.Rig) error {
		res, err := r.Run("read", kit.Step("fd_read", "", 0))
		if err != nil {
			return err
		}
		if res.Text(0) != "" {
			return fmt.Errorf("it got %q", res.Text(0))
		}
		return is(0, 0)(res)
	})
	return all
}

// withStandardFiles temporarily replaces the standard files of this process. The input has content to read, and the
// output can be inspected. A host in another process keeps its own files: what a module prints there would break its
// responses.
func withStandardFiles(a *kit.Attempt, run func(out *os.File) error) error {
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.WriteFile(filepath.Join(dir, "in"), []byte(marker), 0o600); err != nil {
		return err
	}
	in, err := os.Open(filepath.Join(dir, "in"))
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	stdin, stdout, stderr := os.Stdin, os.Stdout, os.Stderr
	os.Stdin, os.Stdout, os.Stderr = in, out, out
	defer func() { os.Stdin, os.Stdout, os.Stderr = stdin, stdout, stderr }()
	err = run(out)
	a.Close() // while the files are replaced
	return err
}
