package main

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/secrets"
)

// loginOptions is one run of login.
type loginOptions struct {
	app      *cli.App
	name     string
	baseURL  string
	store    string // where the token goes: auto, keyring or file
	proxy    string
	caFile   string
	proxyRef string
	private  bool

	clientID, keyFile, keyID string // the OAuth service app
}

// stores are the values of --store.
var stores = []string{"auto", "keyring", "file"}

// newLoginCommand returns the command login.
func newLoginCommand(a *cli.App) *cobra.Command {
	o := loginOptions{app: a}
	cmd := &cobra.Command{
		Use:   "login NAME",
		Short: "Make a connection, or give one a new token",
		Long: `Asks for the address of the org and an API token, checks both, and saves the connection NAME. Nothing is saved if a check
fails. If NAME exists, login asks only for a new token.

The connection goes into the file of --config or $WASM_RUNNER_CONFIG, else into connections.yaml in the user's configuration
folder. The token goes into the system's key store if there is one (keyring:NAME), else into NAME.token in the folder of that file.
Both files have mode 0600.

The token is not shown while it is typed. Without a terminal it is read from standard input; --base-url is then required.

With --client-id the connection signs in as an OAuth service app, whose private key is in a file. The key stays where it is.`,
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
			if (o.clientID == "") != (o.keyFile == "") {
				return cli.Usagef("--client-id and --private-key belong together: give both, or neither")
			}
			if o.keyID != "" && o.clientID == "" {
				return cli.Usagef("--key-id is the id of --private-key: give --client-id and --private-key, too")
			}
			return cli.OneOf("store", o.store, stores)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.baseURL, "base-url", "", "the org's `address`, such as https://example.okta.com (default: ask)")
	f.StringVar(&o.store, "store", "auto", "`place` for the token: keyring, or file (default: keyring if this session has one)")
	f.StringVar(&o.clientID, "client-id", "", "client `id` of an OAuth service app, in place of a token")
	f.StringVar(&o.keyFile, "private-key", "", "`file` with the private key of the service app, as PEM or JWK")
	f.StringVar(&o.keyID, "key-id", "", "`id` of that key at the org, if the file does not have it")
	f.StringVar(&o.proxy, "proxy", "", "proxy on the way to the org: its `address`, or environment")
	f.StringVar(&o.proxyRef, "proxy-credentials", "", "`place` of the proxy's user:password: env:NAME or file:PATH")
	f.StringVar(&o.caFile, "ca-file", "", "PEM `file` of certificate authorities that are trusted besides the system's")
	f.BoolVar(&o.private, "allow-private-network", false, "allow an address of this machine or of a private network")
	cli.CompleteFixed(cmd, "store", stores[1:])
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.name = args[0]
		return o.run(cmd.Context())
	}
	return cmd
}

var loginName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// run makes or renews the connection.
func (o *loginOptions) run(ctx context.Context) error {
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
	config, err := o.configure(ctx, place, existing)
	if err != nil {
		return err
	}
	var token secrets.Value
	if config.OAuth.ClientID == "" {
		if token, err = o.askToken(ctx); err != nil {
			return err
		}
	}
	if err := o.try(ctx, place, config, token); err != nil {
		return err
	}
	if existing == nil { // first of all, so that no token is saved for a file that cannot be written
		entry := config
		if path, is := strings.CutPrefix(entry.TokenSecretRef, "file:"); is {
			entry.TokenSecretRef = "file:" + filepath.Base(path)
		}
		if text, err = place.Schema.Add(text, entry); err != nil {
			return o.notAdded(place.Path, err)
		}
	}
	if config.TokenSecretRef != "" {
		if err := save(ctx, config.TokenSecretRef, token); err != nil {
			return err
		}
	}
	if existing == nil {
		if err := replaceFile(place.Path, text); err != nil {
			return err
		}
	}
	o.report(place, config, existing != nil)
	return nil
}

// read returns the text of the connection file, and the connection of that name, or nil.
func (o *loginOptions) read(place cli.NewConnections) (text []byte, existing *host.Config, err error) {
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

// configure returns the connection: the existing one, or what the flags and the answers say.
func (o *loginOptions) configure(ctx context.Context, place cli.NewConnections, existing *host.Config) (host.Config, error) {
	if existing != nil {
		scheme, _, _ := strings.Cut(existing.TokenSecretRef, ":")
		switch {
		case existing.Kind != place.Kind:
			return host.Config{}, cli.Usagef("connection %s is of kind %s, and the module of kind %s: choose another name", o.name, existing.Kind, place.Kind)
		case o.baseURL != "" && o.baseURL != existing.BaseURL:
			return host.Config{}, cli.Usagef("connection %s of %s has the address %s: choose another name, or change the file", o.name, place.Path, existing.BaseURL)
		case existing.TokenSecretRef == "":
			return host.Config{}, cli.Usagef("connection %s signs in with the key at %s, which login does not keep: change it there", o.name, secrets.Name(existing.OAuth.PrivateKeyRef))
		case o.clientID != "":
			return host.Config{}, cli.Usagef("connection %s signs in with a token: choose another name for the service app", o.name)
		case scheme != "file" && scheme != "keyring":
			return host.Config{}, cli.Usagef("the token of connection %s is not kept by login: it is at %s, so change it there", o.name, secrets.Name(existing.TokenSecretRef))
		}
		return *existing, nil
	}
	config := host.Config{Name: o.name, Kind: place.Kind, Proxy: o.proxy, ProxyCredentialsRef: o.proxyRef, AllowPrivateNetwork: o.private}
	if o.caFile != "" {
		config.CAFile = cli.Absolute(o.caFile)
	}
	var err error
	if config.BaseURL, err = o.askAddress(ctx, place); err != nil {
		return config, err
	}
	if o.clientID != "" {
		if info, err := os.Stat(o.keyFile); err != nil || !info.Mode().IsRegular() {
			return config, cli.Usagef("--private-key: %s is not a file that this user can read: download the key of the service app, and name its file", o.keyFile)
		}
		config.OAuth = host.OAuth{ClientID: o.clientID, PrivateKeyRef: "file:" + cli.Absolute(o.keyFile), KeyID: o.keyID}
		return config, nil
	}
	missing := secrets.KeyringMissing()
	switch {
	case o.store == "keyring" && missing != nil:
		return config, cli.Usagef("--store keyring: %w", missing)
	case o.store == "keyring", o.store == "auto" && missing == nil:
		config.TokenSecretRef = "keyring:" + o.name
	default:
		config.TokenSecretRef = "file:" + filepath.Join(filepath.Dir(place.Path), o.name+".token")
	}
	return config, nil
}

// askAddress returns the org's address, from the flag or the person at the terminal.
func (o *loginOptions) askAddress(ctx context.Context, place cli.NewConnections) (string, error) {
	if o.baseURL != "" {
		u, err := o.parse(o.baseURL, place)
		if err != nil {
			return "", cli.Usagef("--base-url: %w", err)
		}
		return u, nil
	}
	tty, out, err := askOn(o.app, false)
	if err != nil {
		return "", cli.Usagef("%w for the address of the org: give --base-url", err)
	}
	example := "https://service.example.com"
	if place.Addresses != nil && place.Addresses.Example != "" {
		example = place.Addresses.Example
	}
	for {
		answer, err := term.Ask(ctx, tty, out, "Address of the org, such as "+example+": ")
		if err != nil {
			return "", err
		}
		u, err := o.parse(answer, place)
		if err == nil {
			return u, nil
		}
		if _, err := fmt.Fprintf(out, "%s\n", term.OneLine(err.Error())); err != nil {
			return "", err
		}
	}
}

// parse checks an address. A name without a scheme, as people type it first, is https.
func (o *loginOptions) parse(address string, place cli.NewConnections) (string, error) {
	if address != "" && !strings.Contains(address, "://") {
		address = "https://" + address
	}
	u, err := egress.ParseBaseURL(address, place.Addresses)
	if err != nil {
		return "", err
	}
	if egress.ThisMachine(u.Hostname()) && !o.private {
		return "", fmt.Errorf("%s is this machine: if that is intended, run login with --allow-private-network", u.Host)
	}
	return u.String(), nil
}

// askToken returns the token, from standard input or the person at the terminal.
func (o *loginOptions) askToken(ctx context.Context) (secrets.Value, error) {
	a := o.app
	var text string
	if _, is := term.Columns(a.Stdin); is {
		tty, out, err := askOn(a, false)
		if err == nil {
			text, err = term.AskSecret(ctx, tty, out, "API token (it is not shown): ")
		}
		if err != nil {
			return secrets.Value{}, err
		}
	} else {
		b, err := io.ReadAll(io.LimitReader(a.Interruptible(a.Stdin), 64<<10))
		defer clear(b)
		if err != nil {
			return secrets.Value{}, err
		}
		text = string(b)
	}
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return secrets.Value{}, cli.Usagef("the token is empty: nothing was saved")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return secrets.Value{}, cli.Usagef("the token contains a space or another character that no token has: nothing was saved")
	}
	return secrets.New(text), nil
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
func (o *loginOptions) try(ctx context.Context, place cli.NewConnections, config host.Config, token secrets.Value) error {
	a := o.app
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
	r := &report{Connection: o.name}
	resolver := typed{token: token, ref: config.TokenSecretRef, others: a.OwnSecrets()}
	c, err := m.Connect(ctx, a.ForReading(config), host.ConnectOptions{Secrets: resolver, Limits: host.Limits{CallTimeout: a.Flags.Timeout}})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	examine(ctx, a, r, c)
	r.Checks = slices.DeleteFunc(r.Checks, func(f finding) bool { return f.Name == "secret" }) // it is not saved yet
	if err := printReports(a, []*report{r}); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if slices.ContainsFunc(r.Checks, func(f finding) bool { return !f.OK }) {
		a.Warnf("nothing was saved: correct the checks that failed, and run login again")
		return cli.ErrReported
	}
	return nil
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
func (o *loginOptions) notAdded(path string, err error) error {
	if errors.Is(err, connections.ErrNotAdded) {
		return cli.Usagef("%s: %w", path, err)
	}
	return err
}

// report says what was saved.
func (o *loginOptions) report(place cli.NewConnections, config host.Config, renewed bool) {
	a, try := o.app, "wasm-runner check --connection "+o.name
	if place.Hidden || a.Flags.Config != "" {
		try = "wasm-runner --config " + place.Path + " check --connection " + o.name
	}
	if renewed {
		a.Notef("new token saved to %s", config.TokenSecretRef)
		return
	}
	token := ""
	if config.TokenSecretRef != "" {
		token = ", its token to " + config.TokenSecretRef
	}
	a.Notef("connection %s saved to %s%s. It may read; add grants to the file for more. Try: %s", o.name, place.Path, token, try)
	if place.Hidden {
		a.Warnf("this folder has a connections.yaml, which commands read first: name the other with --config %s", place.Path)
	}
}
