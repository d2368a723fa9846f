package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host/confinement"
	"github.com/mach5/okta-connector/host/network"
	"github.com/mach5/okta-connector/host/secrets"
	"github.com/mach5/okta-connector/host/sink"
	"github.com/mach5/okta-connector/host/sink/filesink"
	"github.com/mach5/okta-connector/host/sink/httpsink"
)

// outOptions say where the records of a source go.
type outOptions struct {
	out            string
	format         string
	authorization  string
	route          network.Settings
	plaintext      bool
	rotateSize     string
	rotateEvery    time.Duration
	refused        string
	mode           string
	unacknowledged bool
	delay          time.Duration

	rotateBytes int64
	fileMode    fs.FileMode // mode of new files; 0 is the default
}

// perConnection is replaced by the connection's name in --out and --refused.
const perConnection = "{connection}"

// outFormats are the formats of an HTTP sink. auto means bulk where the address ends in _bulk, else ndjson.
var outFormats = []string{"auto", "ndjson", "bulk", "bulk-create"}

// OutHelp is the part of --help that explains --out.
const OutHelp = `--out appends to a file and never shortens it, so that other programs can read it meanwhile. If a crash left a partial record at
its end, the rest is added when the record is written again. If it is not written again, the file is renamed and a new one is
started. Records that are in the last 64 MiB of the file are not written again, with or without a checkpoint. To read them again, name
another file. A file whose name ends with .zst is compressed, in one zstd frame for each page.

--rotate-size and --rotate-every rename a file to NAME.000001.ndjson and start a new one. Other programs may rename or delete
the file too: the path is opened again before each page and each checkpoint. SIGHUP opens it at once, and reads the tokens
again, including that of --out-authorization. New files have mode 0600 less the umask, or exactly --out-mode. A file has one
writer: a second run with the same --out is an error.

An http or https address receives POST requests with NDJSON, or the _bulk API of OpenSearch and Elasticsearch. The _id of a
document is the key of the record, so that a repeat replaces the same document. --out-format bulk-create is for data streams:
it uses create, and adds "@timestamp" from the time of the record. While the service is down or busy, the runner retries:
with --follow without end, with --once for 2 minutes, and in backfill for 15 minutes. If no record got through by then, the
exit code is 7. Any 2xx answer acknowledges NDJSON, unless its body is a web page or reports a failure. If a service keeps records in memory
before it stores them, set --checkpoint-delay to a longer time. docs/sinks.md says what an answer means at which service.

A pipe does not acknowledge records. If its reader fails, the records that the checkpoint covers may be lost. So a pipe
(stdout, --out or --refused) together with a checkpoint is an error, unless you give --unacknowledged.

If the service rejects a record (its mapping or size), the run stops. With --refused such records are appended to a file,
which is synced before the checkpoint, and the run goes on. Each line is
{"at", "service", "status", "type", "reason", "key", "record"}. To send them again: jq -c .record FILE.`

// add defines the flags.
func (o *outOptions) add(f *pflag.FlagSet) {
	f.StringVar(&o.out, "out", "-", "`file` to append records to, or http(s) address to post them to; - is stdout; "+perConnection+" is replaced by the connection's name")
	f.StringVar(&o.format, "out-format", "auto", "`format` for an address: "+strings.Join(outFormats[1:], ", ")+" (default bulk if the address ends with _bulk, else ndjson)")
	f.StringVar(&o.authorization, "out-authorization", "", "`scheme` and place of the token for an address, such as 'Bearer env:NAME'; the place is env:NAME, file:PATH, keyring:NAME or exec:[PROGRAM, ARGUMENT, …]")
	f.BoolVar(&o.plaintext, "out-plaintext", false, "allow an http address of another machine, although others on the network can read the records")
	f.StringVar(&o.route.Proxy, "out-proxy", "", "proxy on the way to an address: its `address`, such as http://proxy.example.com:3128, or environment for HTTPS_PROXY and NO_PROXY")
	f.StringVar(&o.route.Secret, "out-proxy-credentials", "", "`place` of the user:password for --out-proxy: env:NAME, file:PATH, keyring:NAME or exec:[PROGRAM, ARGUMENT, …]")
	f.StringVar(&o.route.CAFile, "out-ca-file", "", "PEM `file` of certificate authorities that are trusted besides the system's, for an address")
	f.StringVar(&o.route.TLSMin, "out-tls-min", "", "lowest TLS `version` for an address: 1.2 or 1.3 (default 1.2)")
	f.StringVar(&o.rotateSize, "rotate-size", "", "rename the file when it reaches this `size`, such as 256MiB")
	f.StringVar(&o.refused, "refused", "", "`file` for records that the address rejects, with the reason; "+perConnection+" as in --out (default: stop at such a record)")
	f.StringVar(&o.mode, "out-mode", "", "`mode` of new files of --out and --refused, such as 0640; the umask does not change it (default 0600 less the umask)")
	f.DurationVar(&o.delay, "checkpoint-delay", 0, "save a checkpoint this `time` after the acknowledgement: longer than the receiver keeps records in memory")
	f.BoolVar(&o.unacknowledged, "unacknowledged", false, "allow a pipe together with a checkpoint, although records are lost if its reader fails")
	f.DurationVar(&o.rotateEvery, "rotate-every", 0, "rename the file after this `time`, such as 1h")
}

// address reports whether --out is an address.
func (o *outOptions) address() bool {
	return strings.HasPrefix(o.out, "https://") || strings.HasPrefix(o.out, "http://")
}

// files returns the files that are appended to, by the flag that names them.
func (o *outOptions) files() map[string]string {
	if o.address() {
		return map[string]string{"--refused": o.refused}
	}
	return map[string]string{"--out": o.out}
}

// need returns the files that a run needs for its records.
func (o *outOptions) need(a *cli.App) cli.Need {
	need := cli.Need{Long: true}
	a.StreamFiles(&need.Files)
	_, ref, _ := strings.Cut(o.authorization, " ")
	need.Refs = []string{ref, o.route.Secret}
	if o.route.CAFile != "" {
		need.Files.Watch(o.route.CAFile)
	}
	need.Each = func(connection string, files *confinement.Files) {
		for _, file := range []string{o.out, o.refused} {
			if file != "" && file != "-" && (file != o.out || !o.address()) {
				files.Rewrite(strings.ReplaceAll(file, perConnection, connection))
			}
		}
	}
	return need
}

// stdout reports whether --out is standard output.
func (o *outOptions) stdout() bool { return o.out == "" || o.out == "-" }

// apart reports whether each connection has an output of its own.
func (o *outOptions) apart() bool { return !o.stdout() && strings.Contains(o.out, perConnection) }

// hostPort is an address without its scheme.
var hostPort = regexp.MustCompile(`^[A-Za-z0-9.-]+:[0-9]+(/|$)`)

// compressions are the endings of files whose compression is not known here.
var compressions = map[string]bool{".gz": true, ".bz2": true, ".xz": true, ".lz4": true, ".br": true, ".zip": true, ".snappy": true}

// check returns an error for options that do not fit together.
func (o *outOptions) check() (err error) {
	if err := cli.OneOf("out-format", o.format, outFormats); err != nil {
		return err
	}
	if o.rotateBytes, err = parseSize(o.rotateSize); err != nil {
		return cli.Usagef("--rotate-size: %w", err)
	}
	if o.fileMode, err = parseMode(o.mode); err != nil {
		return cli.Usagef("--out-mode: %w", err)
	}
	rotates := o.rotateBytes > 0 || o.rotateEvery > 0
	switch scheme, _, is := strings.Cut(o.out, "://"); {
	case is && !o.address():
		return cli.Usagef("--out: want a file, or an http or https address: found %s://", scheme)
	case hostPort.MatchString(o.out):
		return cli.Usagef("--out: %s looks like an address: write http:// or https:// before it, or ./ for a file", o.out)
	case !o.address() && compressions[strings.ToLower(filepath.Ext(o.out))]:
		return cli.Usagef("--out: cannot write %s files: for a compressed file, name one that ends with .zst, such as %s.zst", filepath.Ext(o.out), strings.TrimSuffix(o.out, filepath.Ext(o.out)))
	case o.delay < 0:
		return cli.Usagef("--checkpoint-delay: want 0 or more: found %s", o.delay)
	case o.rotateBytes > 0 && o.rotateBytes < minPlainSize && strconv.FormatInt(o.rotateBytes, 10) == o.rotateSize:
		return cli.Usagef("--rotate-size: %s without a unit is %s bytes, less than one page: write %sMiB, for example", o.rotateSize, o.rotateSize, o.rotateSize)
	case o.rotateEvery < 0:
		return cli.Usagef("--rotate-every: want 0 or more: found %s", o.rotateEvery)
	case rotates && (o.stdout() || o.address()):
		return cli.Usagef("--rotate-size and --rotate-every are for a file: name one with --out")
	case o.authorization != "" && !authorization.MatchString(o.authorization):
		return cli.Usagef("--out-authorization: want a scheme and the place of a token, such as 'Bearer env:NAME', 'ApiKey file:PATH', 'Bearer keyring:NAME' or 'Bearer exec:[PROGRAM, ARGUMENT]'")
	case o.mode != "" && (o.stdout() || o.address() && o.refused == ""):
		return cli.Usagef("--out-mode is for new files: name one with --out or --refused")
	case o.refused != "" && !o.address():
		return cli.Usagef("--refused is for an http or https address, which may reject a record: name one with --out")
	case !o.address() && (o.format != "auto" || o.authorization != "" || o.plaintext):
		return cli.Usagef("--out-format, --out-authorization and --out-plaintext are for an http or https address: name one with --out")
	case !o.address() && o.route.Proxy+o.route.Secret+o.route.CAFile+o.route.TLSMin != "":
		return cli.Usagef("--out-proxy, --out-proxy-credentials, --out-ca-file and --out-tls-min are for an http or https address: name one with --out")
	}
	return nil
}

// authorization matches a scheme and a reference. It must not match a pasted token, which would be visible in ps.
var authorization = regexp.MustCompile(`^[A-Za-z]{1,16} (env:.|file:.|keyring:.|exec:\s*\[).*$`)

// minPlainSize is the smallest --rotate-size without a unit, in bytes. A smaller number surely lacks its unit: a page is larger.
const minPlainSize = 4 << 10

// parseSize reads a number of bytes: 1048576, 1024KiB, 1MiB, 1GiB.
func parseSize(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	number, unit := s, int64(1)
	for suffix, n := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "KB": 1e3, "MB": 1e6, "GB": 1e9} {
		if before, ok := strings.CutSuffix(s, suffix); ok {
			number, unit = strings.TrimSpace(before), n
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64/unit {
		return 0, fmt.Errorf("want a number of bytes, such as 1048576, 256MiB or 1GiB: found %q", s)
	}
	return n * unit, nil
}

// parseMode reads the mode of new files, in octal. "" is 0.
func parseMode(s string) (fs.FileMode, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n&^0o666 != 0 || n&0o600 != 0o600 {
		return 0, fmt.Errorf("want an octal mode in which the owner can read and write and nobody can execute, such as 0640: found %q", s)
	}
	return fs.FileMode(n), nil
}

// acknowledges returns an error if records go into a pipe although there is a checkpoint.
func (o *outOptions) acknowledges(a *cli.App, connection string) error {
	if o.unacknowledged || a.Flags.Demo {
		return nil
	}
	if o.stdout() {
		mode := fs.ModeNamedPipe // tests use other writers than files
		if f, ok := a.Stdout.(*os.File); ok {
			info, err := f.Stat()
			if err != nil {
				return cli.Usagef("--out: %w", err)
			}
			mode = info.Mode()
		}
		return pipe("stdout", "Write to a file (--out FILE) or an address", mode)
	}
	for flag, file := range o.files() {
		file = strings.ReplaceAll(file, perConnection, connection)
		info, err := os.Stat(file)
		switch {
		case file == "", errors.Is(err, fs.ErrNotExist): // a regular file will be created
			continue
		case err != nil:
			return cli.Usagef("%s: %w", flag, err)
		}
		instead := "Write to a file (--out FILE) or an address"
		if flag == "--refused" {
			instead = "Name a file with --refused"
		}
		if err := pipe(file, instead, info.Mode()); err != nil {
			return err
		}
	}
	return nil
}

// pipe returns an error if the mode is that of a pipe or socket. A terminal is allowed, because a person watches it.
func pipe(name, instead string, mode fs.FileMode) error {
	if mode&(fs.ModeNamedPipe|fs.ModeSocket) == 0 {
		return nil
	}
	return cli.Usagef("%s is a pipe, which does not acknowledge records: if its reader fails, records that the checkpoint covers are lost. "+
		"%s, run without a checkpoint (--no-checkpoint), or accept the loss (--unacknowledged)", name, instead)
}

// outPlace says whose records a sink takes.
type outPlace struct {
	connection string
	checkpoint bool
	timeMember string // the member of a record that holds its time, "" for none
}

// open opens the sink of one connection.
func (o *outOptions) open(ctx context.Context, a *cli.App, place outPlace, say func(string, ...any)) (sink.Sink, error) {
	notice := func(text string) { say("%s", text) }
	out := strings.ReplaceAll(o.out, perConnection, place.connection)
	switch {
	case o.stdout():
		return openStdout(a, place.checkpoint, notice)
	case o.address():
		return o.openHTTP(ctx, a, out, place, say)
	}
	f, err := filesink.Open(out, filesink.Options{RotateSize: o.rotateBytes, RotateEvery: o.rotateEvery, Mode: o.fileMode, Notice: notice})
	if err != nil {
		return nil, fileError("--out", err)
	}
	return f, nil
}

// openHTTP opens a sink at an address.
func (o *outOptions) openHTTP(ctx context.Context, a *cli.App, address string, place outPlace, say func(string, ...any)) (sink.Sink, error) {
	h := httpsink.Options{Form: httpsink.NDJSON, Plaintext: o.plaintext, TimeMember: place.timeMember, Watch: o.delay > 0, Waiting: func(why error, wait time.Duration) {
		say("%s: trying again in %s", why, wait.Round(time.Millisecond))
	}}
	switch path, _, _ := strings.Cut(address, "?"); {
	case o.format == "bulk", o.format == "auto" && strings.HasSuffix(path, "/_bulk"):
		h.Form = httpsink.Bulk
	case o.format == "bulk-create":
		h.Form = httpsink.BulkCreate
	}
	if o.authorization != "" {
		scheme, ref, _ := strings.Cut(o.authorization, " ")
		resolver := a.OwnSecrets()
		if stamper, ok := resolver.(secrets.Stamper); ok {
			h.Authorizer.Stamp = func() string { return stamper.Stamp(ref) }
		}
		h.Authorizer.Read = func(ctx context.Context) (secrets.Value, error) {
			v, err := resolver.Resolve(ctx, ref)
			if err != nil {
				return secrets.Value{}, err
			}
			return secrets.New(scheme + " " + v.Reveal()), nil
		}
		var err error
		if h.Authorization, err = readFirst(ctx, h.Authorizer, ref); err != nil {
			return nil, cli.Usagef("--out-authorization: %w", err)
		}
	}
	route, err := o.routeTo(a, address)
	if err != nil {
		return nil, cli.Usagef("%w", err)
	}
	h.Route = route
	refused := strings.ReplaceAll(o.refused, perConnection, place.connection)
	if refused != "" {
		r, err := httpsink.OpenRefused(refused, filesink.Options{Mode: o.fileMode, Notice: func(text string) { say("%s", text) }})
		if err != nil {
			return nil, fileError("--refused", err)
		}
		h.Refused, h.Refusing = r, func(all []httpsink.Refusal) {
			say("%s rejected and saved to %s, the first: %s", cli.Counted(int64(len(all)), "record"), refused, all[0])
		}
	}
	s, err := httpsink.New(address, h)
	if err != nil {
		if h.Refused != nil {
			_ = h.Refused.Close() // nothing has been written
		}
		return nil, cli.Usagef("--out: %w", err)
	}
	return s, nil
}

// routeTo returns how to reach an address.
func (o *outOptions) routeTo(a *cli.App, address string) (network.Route, error) {
	u, err := url.Parse(address)
	if err != nil {
		return network.Route{}, errors.New("--out: want an address such as https://collector.example.com/events")
	}
	s := o.route
	s.LookupEnv, s.Resolver, s.Logger = a.LookupEnv, a.OwnSecrets(), a.Logger()
	s.Names = network.Names{Proxy: "--out-proxy", Secret: "--out-proxy-credentials", CAFile: "--out-ca-file", TLSMin: "--out-tls-min"}
	return s.Route(u, nil)
}

// emptyFileGrace is how long a token file may be empty while its new content is written.
const emptyFileGrace = 2 * time.Second

// readFirst reads an authorization. It retries an empty file for a moment, because a new token may just be written.
func readFirst(ctx context.Context, from httpsink.Authorizer, ref string) (secrets.Value, error) {
	path, isFile := strings.CutPrefix(ref, "file:")
	for deadline := time.Now().Add(emptyFileGrace); ; {
		value, err := from.Read(ctx)
		if err == nil || !isFile || time.Now().After(deadline) {
			return value, err
		}
		if info, e := os.Stat(path); e != nil || !info.Mode().IsRegular() || info.Size() > 0 {
			return value, err
		}
		select {
		case <-ctx.Done():
			return value, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// openStdout opens standard output. With a checkpoint, a file that is not empty is continued as --out is: an earlier run may
// have ended within a record.
func openStdout(a *cli.App, checkpoint bool, notice func(string)) (sink.Sink, error) {
	stream := sink.NewStream("standard output", a.Output())
	f, ok := a.Stdout.(*os.File)
	if !ok || !checkpoint || a.Flags.Demo {
		return stream, nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return stream, nil
	}
	const instead = "standard output is a file that is not empty, which cannot be continued safely: name it with --out instead"
	const foreign = "standard output is a file with text that is not records, which a checkpoint cannot continue: write the records to a file of their own (--out FILE)"
	path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil { // only Linux has /proc
		return nil, cli.Usagef("%s", instead)
	}
	if there, err := os.Stat(path); err != nil || !os.SameFile(info, there) {
		return nil, cli.Usagef("%s (it is no longer at %s)", instead, path)
	}
	file, err := filesink.Open(path, filesink.Options{Notice: notice})
	switch {
	case errors.Is(err, filesink.ErrForeign): // --out would refuse it too
		return nil, cli.Usagef("%s: %w", foreign, err)
	case err != nil:
		return nil, cli.Usagef("%s: %w", instead, err)
	}
	return stdoutFile{file, f}, nil
}

// stdoutFile is the file behind standard output. Later writes to standard output follow its records.
type stdoutFile struct {
	*filesink.File
	stdout *os.File
}

// Write implements sink.Sink.
func (s stdoutFile) Write(ctx context.Context, p sink.Page) error {
	if err := s.Append(ctx, p); err != nil {
		return err
	}
	return s.Sync()
}

// Append implements sink.Buffered.
func (s stdoutFile) Append(ctx context.Context, p sink.Page) error {
	defer func() { _, _ = s.stdout.Seek(0, io.SeekEnd) }() // a regular file is seekable
	return s.File.Append(ctx, p)
}

// fileError returns the error of opening the file of a flag. It is a usage error where another file would help.
func fileError(flag string, err error) error {
	var path *fs.PathError
	if errors.Is(err, filesink.ErrForeign) || errors.Is(err, filesink.ErrInUse) || errors.Is(err, fs.ErrNotExist) || errors.As(err, &path) {
		return cli.Usagef("%s: %w", flag, err)
	}
	return err
}

// toTerminal reports whether the records may appear on the terminal. The reader of a pipe, such as jq, often writes there.
func (o *outOptions) toTerminal(a *cli.App) bool {
	if !o.stdout() {
		return o.out == os.DevNull
	}
	if _, is := term.Columns(a.Stdout); is {
		return true
	}
	f, ok := a.Stdout.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) != 0
}
