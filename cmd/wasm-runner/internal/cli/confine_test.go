package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/host/confinement"
)

func TestConfine_OfALongRunThatWritesToTheHome_WarnsOnce(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	own := filepath.Join(home, "run")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	const warning = "a module that breaks out could write all files"
	for name, c := range map[string]struct {
		folder   string
		long     bool
		landlock int
		want     int
	}{
		"home":             {home, true, 7, 1},
		"a folder in it":   {own, true, 7, 0},
		"a short command":  {home, false, 7, 0},
		"without landlock": {home, true, 0, 0}, // which is another warning
	} {
		var stderr strings.Builder
		a := NewApp(Streams{Stderr: &stderr}, os.LookupEnv)
		a.Flags = Flags{LogFormat: "text", LogLevel: "warn", Demo: true}
		a.Enter = func(confinement.Files) (confinement.Report, error) {
			return confinement.Report{Landlock: c.landlock, Seccomp: true}, nil
		}
		need := Need{Long: c.long}
		need.Files.Rewrite(filepath.Join(c.folder, "out.ndjson"))
		need.Files.Rewrite(filepath.Join(c.folder, "checkpoint.json"))
		for range 2 {
			if err := a.Confine(need); err != nil {
				t.Fatal(err)
			}
		}
		got := stderr.String()
		if strings.Count(got, warning) != c.want || c.want > 0 && !strings.Contains(got, filepath.Join(c.folder, "out.ndjson")+", "+filepath.Join(c.folder, "checkpoint.json")) {
			t.Errorf("%s: %q, want %d warnings that name the files", name, got, c.want)
		}
	}
}
