package licences

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite licences.tsv")

// linked lists the modules that are linked into a program, as "path version folder".
func linked(t *testing.T, env []string, pkg string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}", pkg)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	return strings.Fields(strings.ReplaceAll(string(out), "\t", "|"))
}

// licence reads a module's licence.
func licence(t *testing.T, module, dir string) string {
	t.Helper()
	for ; ; dir = filepath.Dir(dir) { // the licence may be above the folder of the module
		names, err := filepath.Glob(filepath.Join(dir, "[LlCcUu][IiOoNn][CcPpLl][EeYyIi]*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				continue
			}
			if l := classify(string(text)); l != "" {
				return l
			}
		}
		if !strings.Contains(filepath.Base(dir), "@") && strings.Contains(dir, "@") {
			continue
		}
		return "unknown"
	}
}

func TestList_OfDependencies_IsComplete(t *testing.T) {
	linux := []string{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1"}
	modules := append(linked(t, linux, "./cmd/wasm-runner"), linked(t, []string{"GOOS=wasip1", "GOARCH=wasm"}, "./guest")...)
	slices.Sort(modules)
	modules = slices.Compact(modules)
	var b strings.Builder
	b.WriteString("# module\tversion\tlicence: go test ./internal/licences -update\n")
	for _, m := range modules {
		f := strings.Split(m, "|")
		l := licence(t, f[0], f[2])
		if !slices.Contains(permissive, l) {
			t.Errorf("%s %s: its licence is %s, not one of %v: check it before you link it", f[0], f[1], l, permissive)
		}
		fmt.Fprintf(&b, "%s\t%s\t%s\n", f[0], f[1], l)
	}
	if *update {
		if err := os.WriteFile("licences.tsv", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile("licences.tsv")
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Error("licences.tsv differs from what is linked: run go test ./internal/licences -update")
	}
}

func TestClassify_OfLicenceTexts_FindsTheLicence(t *testing.T) {
	for text, want := range map[string]string{
		"Apache License\n  Version 2.0, January 2004":                                        "Apache-2.0",
		"MIT License\n\nPermission is hereby granted,\n free of charge, to any person":       "MIT",
		"Redistribution and use in source and binary forms … Neither the name of Google":     "BSD-3-Clause",
		"Redistribution and use in source and binary forms, with or without":                 "BSD-2-Clause",
		"GNU GENERAL PUBLIC LICENSE Version 3":                                               "GPL",
		"SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only … GNU GENERAL PUBLIC LICENSE": "BSD-3-Clause",
		"Mozilla Public License Version 2.0":                                                 "MPL-2.0",
		"All rights reserved.":                                                               "",
	} {
		if got := classify(text); got != want {
			t.Errorf("%q is classified as %q, want %q", text, got, want)
		}
	}
}
