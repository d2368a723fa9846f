package host_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// facts are what only a connector may know: names, addresses, paths, headers, error codes, ids and events of its service.
var facts = regexp.MustCompile(strings.Join([]string{
	`(?i)okta|ssws|auth0`,
	`(?i)identity engine|classic engine|system log|end-user dashboard`,
	`/api/v1\b|/oauth2/|/\.well-known/`,
	`\bE0000\d{3}\b|"error(Code|Summary|Causes)"`,
	`(?i)\bx-rate-limit-(limit|remaining|reset)\b`,
	`\b(user|group|application|policy|system|device|app|security|zone)\.(\w+\.)+(start|end|create|update|delete|add|remove|deactivate|activate|suspend|report)\b`,
	`\b(00u|00g|0oa|guo|00p|00T)[A-Za-z0-9]{1,}\b`,
	`\b(DEPROVISIONED|LOCKED_OUT|PASSWORD_EXPIRED|STAGED|PROVISIONED)\b`,
	`(?i)/lifecycle/`,
}, "|"))

// Where a service's facts are allowed: in paths of this repository, and in examples that documentation sets apart.
var (
	modulePath = regexp.MustCompile(`mach5/okta-connector|\bguest/okta(/[a-z0-9]+)*\b`)
	goExample  = regexp.MustCompile(`(?m)^//\t.*$`)
	fence      = regexp.MustCompile("(?s)```.*?```")
	link       = regexp.MustCompile(`\]\([^)\n]*\)`)
)

// factsOf returns the lines of a file that name a fact of a service.
func factsOf(path, text string) (lines []string) {
	text = modulePath.ReplaceAllString(text, "")
	if filepath.Ext(path) == ".md" {
		text = link.ReplaceAllString(fence.ReplaceAllString(text, ""), "")
	} else {
		text = goExample.ReplaceAllString(text, "")
	}
	for line := range strings.Lines(text) {
		if facts.MatchString(line) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// What these packages know of a service must be in the manifest.
func TestHostAndABI_InEveryFile_NameNoService(t *testing.T) {
	files := 0
	for _, folder := range []string{".", "../abi"} {
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			extension := filepath.Ext(path)
			if d.IsDir() || strings.HasSuffix(path, "_test.go") || extension != ".go" && extension != ".md" && extension != ".json" {
				return nil
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files++
			for _, line := range factsOf(path, string(b)) {
				t.Errorf("%s: %.200s", path, line)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 50 {
		t.Errorf("only %d files: check the folders", files)
	}
}

// TestFacts_OfAService_AreFound gives the guard above a line of each kind.
func TestFacts_OfAService_AreFound(t *testing.T) {
	for _, line := range []string{
		"// Okta answers late.", `if code == "E0000011" {`, `"SSWS "+token`, `const me = "/api/v1/users/me"`, `"POST /oauth2/v1/token"`, "orgs of Identity Engine",
		`h.Get("X-Okta-Request-Id")`, `"https://example.okta.com"`, `case "user.session.start":`, `"group.user_membership.add"`, `"00u1abcd"`, `status == "LOCKED_OUT"`,
		`gjson.GetBytes(b, "errorCode")`, `"X-Rate-Limit-Reset"`, "the System Log", `"/users/x/lifecycle/suspend"`, `"/.well-known/openid-configuration"`,
	} {
		if len(factsOf("x.go", line+"\n")) == 0 || len(factsOf("x.md", "text `"+line+"` text\n")) == 0 {
			t.Errorf("%s: not found", line)
		}
	}
	for _, line := range []string{
		`"github.com/mach5/okta-connector/host"`, "[guest/okta/minor0](../guest/okta/minor0)", "sandbox.update.start", "the log", "a user's session", `"/v1/notes"`, "`user.name`",
		"00:00:00", "//\tokta := 1", "0x00a0",
	} {
		if found := factsOf("x.go", line+"\n"); len(found) > 0 {
			t.Errorf("%s: found in %q", line, found)
		}
	}
}
