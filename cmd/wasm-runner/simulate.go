package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host/confinement"
	"github.com/mach5/okta-connector/host/durable"
)

// simulateOptions is one run of simulate.
type simulateOptions struct {
	app         *cli.App
	addr        string
	allowRemote bool
	org         oktatest.Config
	rate        float64
	rateLimits  []string
	faults      []string
	replay      string
	file        string
	duration    time.Duration

	oauth  bool // the connection signs in as a service app
	dpop   bool
	scopes []string
}

// maxObjects is the largest number of users, groups or rules of a simulated org. So many users need 600 MB.
const maxObjects = 1_000_000

// newSimulateCommand returns the command simulate.
func newSimulateCommand(a *cli.App) *cobra.Command {
	o := simulateOptions{app: a}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Serve a simulated Okta org until SIGINT or SIGTERM",
		Long: `Serves a simulated org with users, groups, roles and a System Log. It has Okta's ids, errors, paging, rate limits and oddities.
The same --seed gives the same org. Once it listens, it prints a connection file to stdout. The token in it is for this org
alone. When it ends, it removes the files that it wrote.

With --oauth, the org has a service app too, and the connection signs in as that app instead of with the token.

--faults KIND[:TARGET[:OPTION=VALUE,…]] makes requests fail. ` + strings.Replace(strings.TrimSuffix(oktatest.FaultHelp(), "\n"), "\nOPTION is", "\n\nOPTION is", 1),
		Example: `  wasm-runner simulate > org.yaml &
  wasm-runner --config org.yaml table list_users --limit 5

  wasm-runner simulate --connection-file connections.yaml \
    --events 100000 --events-days 90
  wasm-runner simulate --connection-file connections.yaml \
    --events 1000 --events-per-second 20
  wasm-runner simulate --rate-limit /api/v1/logs=10 --window 5s \
    --faults 'reset-after:POST /api/v1/users:times=1'
  wasm-runner simulate --oauth --connection-file connections.yaml \
    --token-life 10m --scopes okta.users.read,okta.logs.read
  wasm-runner simulate --replay recorded.jsonl`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cli.NoArgs(cmd, args); err != nil {
				return err
			}
			for _, name := range []string{"dpop", "scopes", "token-life"} {
				if cmd.Flags().Changed(name) && !o.oauth {
					return cli.Usagef("--%s is about the service app of --oauth: give --oauth, too", name)
				}
			}
			return o.check()
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.addr, "addr", "127.0.0.1:0", "`address` to listen on; port 0 means any free port")
	f.BoolVar(&o.allowRemote, "allow-remote", false, "allow an address that other machines can reach")
	f.StringVar(&o.file, "connection-file", "", "write the connection to this `file` too, and the token to a file next to it")
	f.DurationVar(&o.duration, "duration", 0, "end after this `time`; 0 is never")
	f.Int64Var(&o.org.Seed, "seed", 1, "`number` from which ids, users and events are made")
	f.IntVar(&o.org.Users, "users", 50, "`number` of users at the start, up to 1000000; -1 is none")
	f.IntVar(&o.org.Groups, "groups", 5, "`number` of groups at the start; -1 is none")
	f.IntVar(&o.org.Events, "events", 250, "`number` of events in the log at the start; -1 is none")
	f.IntVar(&o.org.EventDays, "events-days", 0, "spread those events over this many `days` until now, up to 90 (default the last 20 hours)")
	f.Float64Var(&o.rate, "events-per-second", 0, "`number` of events to add in a second")
	f.IntVar(&o.org.GroupRules, "group-rules", 0, "`number` of active group rules at the start; each fills a group")
	f.StringVar(&o.org.Engine, "engine", "idx", "`engine` of the org: idx (Identity Engine) or v1 (Classic)")
	cli.ListVar(f, &o.rateLimits, "rate-limit", "requests in a window: `BUCKET=N`, or N for all buckets; -1 is no limit (default 120 for /api/v1/logs, else 600)")
	f.DurationVar(&o.org.Window, "window", time.Minute, "`length` of a rate-limit window")
	f.DurationVar(&o.org.EmailInterval, "email-interval", 0, "shortest `time` between two e-mails to one user, else 429 E0000118; 0 is none")
	f.DurationVar(&o.org.SearchDelay, "search-delay", 0, "`time` until search finds a change")
	f.StringArrayVar(&o.faults, "faults", nil, "`fault` to cause, as KIND:TARGET:OPTION=VALUE,…; may be repeated")
	f.StringVar(&o.replay, "replay", "", "serve the recorded answers of this `file` (JSON lines) instead of a simulated org")
	f.BoolVar(&o.oauth, "oauth", false, "add a service app, and sign in as it")
	f.BoolVar(&o.dpop, "dpop", true, "with --oauth: bind the app's tokens to a key, as new apps of Okta do")
	cli.ListVar(f, &o.scopes, "scopes", "with --oauth: `scopes` that the app was granted (default all)")
	f.DurationVar(&o.org.TokenLife, "token-life", time.Hour, "with --oauth: `time` for which an access token is valid")
	cli.CompleteFixed(cmd, "scopes", oktatest.Scopes())
	cli.CompleteFixed(cmd, "engine", []string{"idx", "v1"})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) }
	return cmd
}

// check returns an error for values that cannot be used.
func (o *simulateOptions) check() error {
	host, port, err := net.SplitHostPort(o.addr)
	if n, e := strconv.Atoi(port); err != nil || e != nil || n < 0 || n > 65535 {
		return cli.Usagef("--addr: want HOST:PORT, such as 127.0.0.1:8080: found %q", o.addr)
	}
	if ip, err := netip.ParseAddr(host); !o.allowRemote && host != "localhost" && (err != nil || !ip.IsLoopback()) {
		return cli.Usagef("--addr: %s is not a loopback address, so other machines can use the org: give --allow-remote to allow that", o.addr)
	}
	for name, n := range map[string]int{"users": o.org.Users, "groups": o.org.Groups, "group-rules": o.org.GroupRules} {
		if n > maxObjects {
			return cli.Usagef("--%s: want at most %d, because they are kept in memory: found %d", name, maxObjects, n)
		}
	}
	for name, n := range map[string]int{"users": o.org.Users, "groups": o.org.Groups, "events": o.org.Events} {
		if n < -1 {
			return cli.Usagef("--%s: want -1 (none) or more: found %d", name, n)
		}
	}
	for _, scope := range o.scopes {
		if !slices.Contains(oktatest.Scopes(), scope) {
			return cli.Usagef("--scopes: the simulated org has no scope %q: it has %s", scope, strings.Join(oktatest.Scopes(), ", "))
		}
	}
	switch {
	case o.oauth && o.replay != "":
		return cli.Usagef("--oauth needs a simulated org, and --replay serves recorded answers: give one of them")
	case o.org.TokenLife < 10*time.Second:
		return cli.Usagef("--token-life: want 10s or more: found %s", o.org.TokenLife)
	case o.rate < 0 || o.rate > 10_000:
		return cli.Usagef("--events-per-second: want 0 to 10000: found %g", o.rate)
	case o.org.EventDays < 0 || o.org.EventDays > 90:
		return cli.Usagef("--events-days: want 1 to 90, because Okta keeps events for 90 days, or 0 for the last 20 hours: found %d", o.org.EventDays)
	case o.org.GroupRules < 0:
		return cli.Usagef("--group-rules: want 0 or more: found %d", o.org.GroupRules)
	case o.duration < 0 || o.org.SearchDelay < 0 || o.org.EmailInterval < 0:
		return cli.Usagef("--duration, --email-interval and --search-delay: want 0 or more: found %s, %s and %s", o.duration, o.org.EmailInterval, o.org.SearchDelay)
	case o.org.Window < time.Second:
		return cli.Usagef("--window: want 1s or more, because Okta gives its end in whole seconds: found %s", o.org.Window)
	}
	if o.org.RateLimits, err = rateLimits(o.rateLimits); err != nil {
		return err
	}
	return cli.OneOf("engine", o.org.Engine, []string{"idx", "v1"})
}

// rateLimits parses BUCKET=N, and N for all buckets.
func rateLimits(specs []string) (map[string]int, error) {
	limits := map[string]int{}
	for _, spec := range specs {
		bucket, number, named := strings.Cut(spec, "=")
		if !named {
			bucket, number = "*", spec
		}
		n, err := strconv.Atoi(number)
		if err != nil || n == 0 || n < -1 || bucket == "" {
			return nil, cli.Usagef("--rate-limit: want N or BUCKET=N, such as /api/v1/logs=60: found %q", spec)
		}
		limits[bucket] = n
		if !named {
			limits["/api/v1/logs"] = n // the simulated log has a default of its own
		}
	}
	return limits, nil
}

// run serves an org or a replay until ctx ends or its time is up.
func (o *simulateOptions) run(ctx context.Context) error {
	a := o.app
	server, org, err := o.serve()
	if err != nil {
		return err
	}
	defer func() { _ = server.Close() }()
	login := credentialOf(org)
	if o.oauth {
		login = o.addApp(org)
	}
	var need cli.Need
	text, remove, err := writeConnection(a, server.URL, login, o.file, &need.Files)
	if err != nil {
		return err
	}
	defer remove()
	if err := a.Confine(need); err != nil {
		return err
	}
	if _, err := a.Stdout.Write([]byte(text)); err != nil {
		return err
	}
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	if org != nil && o.rate > 0 {
		addEvents(ctx, org, o.rate)
	}
	<-ctx.Done()
	return nil
}

// simulatedLogin is how the connection of a simulated org signs in: with a token, or as a service app.
type simulatedLogin struct {
	secret   string // the token, or the private key as PEM
	clientID string // "" for a token
	keyID    string
}

// credentialOf returns the token of an org; a replay has none and takes any.
func credentialOf(org *oktatest.Org) simulatedLogin {
	if org == nil {
		return simulatedLogin{secret: oktatest.DefaultToken}
	}
	return simulatedLogin{secret: org.Token()}
}

// addApp adds a service app to an org.
func (o *simulateOptions) addApp(org *oktatest.Org) simulatedLogin {
	scopes := o.scopes
	if len(scopes) == 0 {
		scopes = oktatest.Scopes()
	}
	app, key := oktatest.NewServiceApp(scopes...)
	app.DPoP = o.dpop
	org.AddServiceApp(app)
	return simulatedLogin{strings.TrimSpace(key), app.ClientID, app.Keys[0].KeyID}
}

// fileSuffix returns the end of the name of the file with the secret.
func (l simulatedLogin) fileSuffix() string {
	if l.clientID != "" {
		return ".pem"
	}
	return ".token"
}

// field returns the fields of a connection that sign in, with the path of the file with the secret.
func (l simulatedLogin) field(path string) string {
	ref := strconv.Quote("file:" + path)
	if l.clientID == "" {
		return "token_secret_ref: " + ref
	}
	return fmt.Sprintf("oauth:\n      client_id: %s\n      private_key_ref: %s\n      key_id: %s", l.clientID, ref, l.keyID)
}

// serve starts the server. The org is nil for a replay.
func (o *simulateOptions) serve() (*oktatest.Server, *oktatest.Org, error) {
	if o.replay != "" {
		file, err := os.Open(o.replay)
		if err != nil {
			return nil, nil, cli.OpenError("--replay", o.replay, err, "name a file with recorded requests and responses")
		}
		replay, err := oktatest.NewReplay(file)
		_ = file.Close() // read only
		if err != nil {
			return nil, nil, cli.Usagef("--replay: %s: %w", o.replay, err)
		}
		server, err := replay.Listen(o.addr)
		return server, nil, err
	}
	org := oktatest.New(o.org)
	for _, spec := range o.faults {
		fault, err := oktatest.ParseFault(spec)
		if err != nil {
			return nil, nil, cli.Usagef("--faults: %w", err)
		}
		org.Inject(fault)
	}
	server, err := org.Listen(o.addr)
	return server, org, err
}

// addEvents adds events at a rate until ctx ends.
func addEvents(ctx context.Context, org *oktatest.Org, rate float64) {
	began, added := time.Now(), 0
	tick := time.NewTicker(max(time.Duration(float64(time.Second)/rate), 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if due := int(now.Sub(began).Seconds() * rate); due > added {
				org.AppendEvents(due - added)
				added = due
			}
		}
	}
}

// writeConnection writes the connection file, if it has a path, and the file of the token. It returns the text of the
// connection file. remove deletes both files, for which it needs those that are added to files.
func writeConnection(a *cli.App, url string, login simulatedLogin, path string, files *confinement.Files) (text string, remove func(), err error) {
	var tokenPath string
	use := "org.yaml"
	if path != "" {
		if tokenPath, err = filepath.Abs(path + login.fileSuffix()); err != nil {
			return "", nil, err
		}
		if err := replaceable(path); err != nil {
			return "", nil, err
		}
		release, err := holdConnectionFile(path)
		if err != nil {
			return "", nil, err
		}
		use = path
		files.Rewrite(path)
		remove = func() {
			_, _ = os.Remove(tokenPath), os.Remove(path)
			release()
		}
	} else {
		dir, err := os.MkdirTemp("", "wasm-runner-simulate-")
		if err != nil {
			return "", nil, err
		}
		tokenPath = filepath.Join(dir, "token")
		files.Remove(dir)
		remove = func() { _ = os.RemoveAll(dir) }
	}
	if err := writeSecret(tokenPath, login.secret); err != nil {
		remove()
		return "", nil, err
	}
	text = connectionFile(url, login.field(tokenPath), use, grantList(a))
	if path == "" {
		return text, remove, nil
	}
	// Rename it into place, so that a program that waits for the file finds it complete.
	temp := path + ".new"
	if err = os.WriteFile(temp, []byte(text), 0o600); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		remove()
		return "", nil, fmt.Errorf("--connection-file: %w", err)
	}
	return text, remove, nil
}

// firstLine is the first line of a connection file of simulate.
const firstLine = "# A simulated Okta org at "

// replaceable returns an error for a file that simulate has not written.
func replaceable(path string) error {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cli.Usagef("--connection-file: %w", err)
	}
	if err == nil && !strings.HasPrefix(string(text), firstLine) {
		return cli.Usagef("--connection-file: %s exists, and simulate did not write it: name another file", path)
	}
	return nil
}

// holdConnectionFile locks a connection file for this process, so that no other simulated org replaces it and deletes it
// at its end. release deletes the lock.
func holdConnectionFile(path string) (release func(), err error) {
	lock, err := durable.Hold(path+".lock", os.O_RDWR|os.O_CREATE)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return func() {}, nil // the file system has no locks
	case errors.Is(err, durable.ErrLocked):
		return nil, cli.Usagef("--connection-file: another simulate uses %s: wait for it to end, or name another file", path)
	case err != nil:
		return nil, cli.Usagef("--connection-file: %w", durable.NoFolder(path, err))
	}
	return func() { _, _ = os.Remove(lock.Name()), lock.Close() }, nil
}

// writeSecret writes a token to a file that only this user can read. It replaces a file with other permissions.
func writeSecret(path, token string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, []byte(token+"\n"), 0o600)
}

func grantList(a *cli.App) string { return join(a.Grants(nil)) }

func connectionFile(url, login, use, grants string) string {
	return fmt.Sprintf(firstLine+`%s, until its process ends.
# Saved as %s, it is used so (more grants: --grant write,destructive):
#   wasm-runner --config %[2]s check
#   wasm-runner --config %[2]s invoke lookup_user '{"user":"ada.lovelace@example.com"}'
#   wasm-runner --config %[2]s source poll_system_log_page --checkpoint cp.json --out events.ndjson
connections:
  - name: okta
    kind: okta
    base_url: %[1]s
    %[3]s
    grants: [%[4]s]
    allow_private_network: true   # it is this machine
`, url, use, login, grants)
}
