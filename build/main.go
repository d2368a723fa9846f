// Command build packs the connector's module and prints its size and checksum.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/mach5/okta-connector/build/pack"
)

func main() {
	out := flag.String("o", filepath.Join("build", "okta.wasm"), "where to write the module; FILE.sha256 is written beside it")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "Packs the connector as a Wasm module with its manifest.\n\n"+
			"  go run ./build                    writes build/okta.wasm and build/okta.wasm.sha256\n"+
			"  go run ./build -o /tmp/okta.wasm  writes it elsewhere\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *out); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string) error {
	wasm, err := pack.Guest(ctx, pack.Options{})
	if err != nil {
		return err
	}
	if err := pack.Write(out, wasm); err != nil {
		return err
	}
	hash := sha256.Sum256(wasm)
	sum := hex.EncodeToString(hash[:])
	if err := pack.Write(out+".sha256", []byte(sum+"  "+filepath.Base(out)+"\n")); err != nil {
		return err
	}
	fmt.Printf("%s\n  size    %d bytes (%.2f MiB)\n  sha256  %s\n", out, len(wasm), float64(len(wasm))/(1<<20), sum)
	return nil
}
