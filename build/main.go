// Command build packs the connector's module and prints its size and checksum.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path"
	"path/filepath"

	"github.com/mach5/okta-connector/build/pack"
)

const usage = `Packs a connector as a Wasm module: builds it with the installed Go, strips it and adds the manifest.
The same sources and the same Go give the same bytes, wherever they are built.

Usage: go run ./build [-guest PACKAGE] [-lines] [-o FILE]

  go run ./build                        writes build/okta.wasm and build/okta.wasm.sha256 of this checkout
  go run ./build -o /tmp/okta.wasm      writes /tmp/okta.wasm and /tmp/okta.wasm.sha256
  go run ./build -guest ./guest/template    builds another connector (docs/write-a-connector.md): writes build/template.wasm
  go run github.com/mach5/okta-connector/build -guest ./desk    from another Go module, writes desk.wasm
  (cd build && sha256sum -c okta.wasm.sha256)    checks a module that was built earlier

`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	out := flags.String("o", "", "the `file` to write; its checksum goes to FILE.sha256 (default build/okta.wasm of this checkout; for another connector, build/FOLDER.wasm; in another Go module, FOLDER.wasm in the working directory)")
	pkg := flags.String("guest", "./guest", "the `folder` of the connector's package main, in this checkout or in a Go module that requires it")
	lines := flags.Bool("lines", false, "keep the tables of files and lines for stack traces of panics (the module is 3 % larger)")
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(stdout, usage)
			flags.SetOutput(stdout)
			flags.PrintDefaults()
			return err
		}
		return fmt.Errorf("%w: see go run ./build --help", err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q: name the file to write with -o", flags.Arg(0))
	}
	dir, folder, err := pack.Locate(*pkg)
	if err != nil {
		return err
	}
	if *out == "" {
		*out = nameOf(folder) + ".wasm" // a package of another Go module, in the working directory
		if root, err := pack.Root(); err == nil && root == dir {
			*out = filepath.Join(root, "build", *out)
		}
	}
	wasm, err := pack.Guest(ctx, pack.Options{Dir: dir, Package: folder, Lines: *lines})
	if err != nil {
		return err
	}
	return write(*out, wasm, stdout)
}

// nameOf returns the name of a connector's module without its extension.
func nameOf(pkg string) string {
	if name := path.Base(filepath.ToSlash(pkg)); name != "guest" {
		return name
	}
	return "okta"
}

// write writes the module and its checksum, in the format of sha256sum, and prints both.
func write(out string, wasm []byte, stdout io.Writer) error {
	hash := sha256.Sum256(wasm)
	sum := hex.EncodeToString(hash[:])
	if err := pack.Write(out, wasm); err != nil {
		return err
	}
	if err := pack.Write(out+".sha256", []byte(sum+"  "+filepath.Base(out)+"\n")); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "%s\n  size    %d bytes (%.2f MiB)\n  sha256  %s\n", out, len(wasm), float64(len(wasm))/(1<<20), sum)
	return err
}
