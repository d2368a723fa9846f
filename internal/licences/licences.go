// Package licences lists the licences of the modules that are linked into the runner and the guest, in licences.tsv.
// Its test compares the list with what Go links.
//
//	go test ./internal/licences -update
package licences

import "strings"

// classify returns the SPDX name of a licence by its text, or "" if it is unknown.
func classify(text string) string {
	words := strings.Join(strings.Fields(text), " ")
	has := func(s string) bool { return strings.Contains(words, s) }
	switch {
	case has("SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only"): // the choice is ours
		return "BSD-3-Clause"
	case has("GNU AFFERO GENERAL PUBLIC LICENSE"), has("GNU GENERAL PUBLIC LICENSE"), has("GNU LESSER GENERAL PUBLIC LICENSE"):
		return "GPL"
	case has("Mozilla Public License"):
		return "MPL-2.0"
	case has("Apache License") && has("Version 2.0"):
		return "Apache-2.0"
	case has("Permission to use, copy, modify, and/or distribute this software"), has("Permission to use, copy, modify, and distribute this software"):
		return "ISC"
	case has("Permission is hereby granted, free of charge"), has("PERMISSION is hereby granted, free of charge"):
		return "MIT"
	case has("Redistribution and use in source and binary forms") && (has("Neither the name") || has("names of its contributors") || has("name of the copyright holder")):
		return "BSD-3-Clause"
	case has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause"
	case has("This is free and unencumbered software"):
		return "Unlicense"
	}
	return ""
}

// permissive are the licences that require only attribution.
var permissive = []string{"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Unlicense"}
