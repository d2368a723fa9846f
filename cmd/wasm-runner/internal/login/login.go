// Package login makes connections, and changes them, for the command login.
package login

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/cli"
	"github.com/mach5/okta-connector/cmd/wasm-runner/internal/term"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/connections"
	"github.com/mach5/okta-connector/host/durable"
	"github.com/mach5/okta-connector/host/secrets"
)

// Check examines a connection, prints what it found, and reports whether all of it is well.
type Check func(context.Context, *host.Connection) (ok bool, err error)

// options is one run of login.
type options struct {
	app        *cli.App
	check      Check
	name       string
	baseURL    string
	store      string // where the token goes: auto, keyring or file
	credential string // token or app; "" asks
	client     host.OAuth
	keyFile    string      // the service app's private key
	network    host.Config // the settings of the network
	given      func(flag string) bool

	asked bool // a person at the terminal was asked
	saved bool
}

// credentials are the values of --credential.
var credentials = []string{"token", "app"}

// stores are the values of --store.
var stores = []string{"auto", "keyring", "file"}

// NewCommand returns the command login.
func NewCommand(a *cli.App, check Check) *cobra.Command {
	o := options{app: a, check: check}
	cmd := &cobra.Command{
		Use:   "login NAME",
		Short: "Make a connection, or give one a new secret or other settings",
		Long: `Asks for the address of the org and how to sign in: with an API token, or as an OAuth service app. It says what it will write,
checks the connection, and saves it as NAME. Nothing is saved if a check fails.

If NAME exists, login asks only for a new token, or for the file of the app's new key. With flags for settings, such as
--private-key, --proxy or --scopes, it changes these settings and asks nothing.

The connection goes into the file of --config or $WASM_RUNNER_CONFIG, else into connections.yaml in the user's configuration
folder. The token goes into the system's key store if there is one (keyring:NAME), else into NAME.token in the folder of that file.
Both files have mode 0600. A private key stays in its file.

The token is not shown while it is typed. Ctrl-C and Ctrl-D end login. Without a terminal the token is read from standard input;
--base-url is then required.`,
		Example: `  wasm-runner login okta-prod
  wasm-runner login okta-prod --base-url https://example.okta.com --store file
  wasm-runner login okta-app --base-url https://example.okta.com \
    --client-id 0oa1abcd --private-key okta.pem
  vault kv get -field=token secret/okta | \
    wasm-runner login okta-prod --base-url https://example.okta.com`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return cli.Usagef("login takes one argument, the name of the connection, such as okta-prod")
			case !loginName.MatchString(args[0]):
				return cli.Usagef("the name of a connection has letters, digits and -_. only, at most 64, and begins with a letter or digit")
			case a.Flags.Demo:
				return cli.Usagef("--demo needs no connection: leave it out to make one")
			}
			if err := o.checkFlags(); err != nil {
				return err
			}
			return cli.OneOf("store", o.store, stores)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	o.addFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.name = args[0]
		return o.run(cmd.Context())
	}
	return cmd
}

var loginName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// addFlags defines the flags.
func (o *options) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.baseURL, "base-url", "", "the org's `address`, such as https://example.okta.com (default: ask)")
	f.StringVar(&o.credential, "credential", "", "how to sign in: token, or app for an OAuth service app (default: ask)")
	f.StringVar(&o.store, "store", "auto", "`place` for the token: keyring, or file (default: keyring if this session has one)")
	f.StringVar(&o.client.ClientID, "client-id", "", "client `id` of an OAuth service app, in place of a token")
	f.StringVar(&o.keyFile, "private-key", "", "`file` with the private key of the service app, as PEM or JWK")
	f.StringVar(&o.client.KeyID, "key-id", "", "`id` of that key at the org, if the file does not have it")
	cli.ListVar(f, &o.client.Scopes, "scopes", "`scopes` that a token of the service app may have at most, separated by commas")
	f.StringVar(&o.client.DPoP, "dpop", "", "whether the service app binds its tokens to a key: auto, required or off (default auto)")
	n := &o.network
	f.StringVar(&n.Proxy, "proxy", "", "proxy on the way to the org: its `address`, or environment")
	f.StringVar(&n.ProxyCredentialsRef, "proxy-credentials", "", "`place` of the proxy's user:password: env:NAME, file:PATH or keyring:NAME")
	f.StringVar(&n.CAFile, "ca-file", "", "PEM `file` of certificate authorities that are trusted besides the system's")
	f.StringVar(&n.TLSMin, "tls-min", "", "lowest TLS `version`: 1.2 or 1.3 (default 1.2)")
	f.BoolVar(&n.AllowPrivateNetwork, "allow-private-network", false, "allow an address of this machine or of a private network")
	o.given = f.Changed
	cli.CompleteFixed(cmd, "store", stores[1:])
	cli.CompleteFixed(cmd, "credential", credentials)
}

// run makes or changes the connection. If it ends before anything is saved, it says so.
func (o *options) run(ctx context.Context) error {
	err := o.login(ctx)
	if o.asked && !o.saved && err != nil && !errors.Is(err, cli.ErrReported) {
		o.app.Warnf("nothing was saved")
	}
	if errors.Is(err, term.ErrNoAnswer) {
		return cli.Usagef("%w", err)
	}
	return err
}

// login is run without the last word.
func (o *options) login(ctx context.Context) error {
	a := o.app
	place, err := a.NewConnections()
	if err != nil {
		return err
	}
	place.Path = cli.Absolute(durable.Resolve(place.Path)) // a link stays
	text, existing, err := o.read(place)
	if err != nil {
		return err
	}
	p := plan{place: place, text: text, existing: existing}
	if existing == nil {
		p.config, err = o.configure(ctx, place)
		p.token = p.config.TokenSecretRef != ""
	} else {
		err = o.change(ctx, &p)
	}
	if err != nil {
		return err
	}
	a.Notef("%s", p.says())
	var token secrets.Value
	if p.token {
		if token, err = o.askToken(ctx); err != nil {
			return err
		}
	}
	if err := o.try(ctx, p, token); err != nil {
		return err
	}
	if text, err = p.newText(); err != nil { // first of all, so that no token is saved for a file that cannot be written
		return o.notAdded(place.Path, err)
	}
	o.saved = true
	if p.token {
		if err := save(ctx, p.config.TokenSecretRef, token); err != nil {
			return err
		}
	}
	if text != nil {
		if err := replaceFile(place.Path, text); err != nil {
			return err
		}
	}
	o.report(p)
	return nil
}

// read returns the text of the connection file, and the connection of that name, or nil.
func (o *options) read(place cli.NewConnections) (text []byte, existing *host.Config, err error) {
	text, err = os.ReadFile(place.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, cli.Usagef("connection file: %w", err)
	}
	if strings.TrimSpace(string(text)) == "" {
		return nil, nil, nil
	}
	configs, err := place.Schema.ReadFile(place.Path)
	if err != nil {
		return nil, nil, err
	}
	if i := slices.IndexFunc(configs, func(c host.Config) bool { return c.Name == o.name }); i >= 0 {
		existing = &configs[i]
	}
	return text, existing, nil
}

// typed is a resolver of the token that was typed, and of the other secrets of a connection.
type typed struct {
	token  secrets.Value
	ref    string
	others secrets.Resolver
}

// Resolve implements secrets.Resolver.
func (t typed) Resolve(ctx context.Context, ref string) (secrets.Value, error) {
	if ref == t.ref {
		return t.token, nil
	}
	return t.others.Resolve(ctx, ref)
}

// try checks the connection and prints the findings.
func (o *options) try(ctx context.Context, p plan, token secrets.Value) error {
	a, place, config := o.app, p.place, p.config
	need := cli.Need{}
	need.Files.Rewrite(place.Path)
	if path, is := strings.CutPrefix(config.TokenSecretRef, "file:"); is {
		need.Files.Rewrite(path)
	}
	if err := os.MkdirAll(filepath.Dir(place.Path), 0o700); err != nil {
		return cli.Usagef("the folder of the connection file: %w", err)
	}
	m, err := a.LoadModule(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close(context.WithoutCancel(ctx)) }()
	if err := a.Confine(need, config); err != nil {
		return err
	}
	resolver := a.OwnSecrets()
	if p.token {
		resolver = typed{token: token, ref: config.TokenSecretRef, others: resolver}
	}
	c, err := m.Connect(ctx, a.ForReading(config), host.ConnectOptions{Secrets: resolver, Limits: host.Limits{CallTimeout: a.Flags.Timeout}})
	if err != nil {
		return a.Located(config, err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	ok, err := o.check(ctx, c)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && !ok {
		a.Warnf("nothing was saved: correct the checks that failed, and run login again")
		err = cli.ErrReported
	}
	return err
}

// save writes a token to where a reference says.
func save(ctx context.Context, ref string, token secrets.Value) error {
	scheme, name, _ := strings.Cut(ref, ":")
	if scheme == "keyring" {
		if err := secrets.StoreInKeyring(ctx, name, token); err != nil {
			return fmt.Errorf("%s: %w: --store file keeps the token in a file", ref, err)
		}
		return nil
	}
	text := []byte(token.Reveal() + "\n")
	defer clear(text)
	return replaceFile(name, text)
}

// replaceFile replaces a file with one of mode 0600. After a crash there is the old or the new one.
func replaceFile(path string, text []byte) error {
	if err := durable.Replace(durable.OS, path, text); err != nil {
		return fmt.Errorf("%s: %w: nothing was saved in it", path, err)
	}
	return nil
}

// notAdded explains why a connection is not in the file.
func (o *options) notAdded(path string, err error) error {
	if errors.Is(err, connections.ErrNotAdded) {
		return cli.Usagef("%s: %w", path, err)
	}
	return err
}

// report says what was saved.
func (o *options) report(p plan) {
	a, place, try := o.app, p.place, "wasm-runner check --connection "+o.name
	if place.Hidden || a.Flags.Config != "" {
		try = "wasm-runner --config " + place.Path + " check --connection " + o.name
	}
	switch {
	case p.existing != nil && p.token:
		a.Notef("new token saved to %s", p.config.TokenSecretRef)
		return
	case p.existing != nil:
		a.Notef("connection %s changed in %s", o.name, place.Path)
		return
	}
	token := ""
	if p.token {
		token = ", its token to " + p.config.TokenSecretRef
	}
	a.Notef("connection %s saved to %s%s. It may read; add grants to the file for more. Try: %s", o.name, place.Path, token, try)
	if place.Hidden {
		a.Warnf("this folder has a connections.yaml, which commands read first: name the other with --config %s", place.Path)
	}
}
