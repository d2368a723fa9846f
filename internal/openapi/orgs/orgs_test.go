package orgs

import (
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

func TestWatch_OfAnInvalidRequest_ReportsIt(t *testing.T) {
	for name, c := range map[string]struct{ target, want string }{
		"what it allows":              {"/api/v1/users?limit=1", ""},
		"a parameter that it lacks":   {"/api/v1/users?limit=1&colour=red", `query parameter "colour" is not documented`},
		"the same, refused":           {"/api/v1/users?limit=none&colour=red", ""},
		"a path that the org has not": {"/api/v1/brands", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "violations")
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv(violationsFile, file)
			Watch()
			t.Cleanup(func() { oktatest.Watch = nil })
			org := oktatest.New(oktatest.Config{})
			r := httptest.NewRequest("GET", c.target, nil)
			r.Header.Set("Authorization", "SSWS "+org.Token())
			org.ServeHTTP(httptest.NewRecorder(), r)
			found, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(found), c.want) || c.want == "" && len(found) > 0 {
				t.Errorf("reported %q, %v, want %q", found, err, c.want)
			}
		})
	}
}

func TestWatch_OutsideATestRun_DoesNothing(t *testing.T) {
	t.Setenv(violationsFile, "")
	if Watch(); oktatest.Watch != nil {
		t.Error("the orgs are watched")
	}
}

func TestSample_OfAList_HasItsEndsAndASpread(t *testing.T) {
	var all []string
	for i := range 100 {
		all = append(all, strconv.Itoa(i))
	}
	for text, want := range map[string]string{
		"[" + strings.Join(all, ",") + "]":     "[0,14,28,42,56,70,84,99]",
		"[" + strings.Join(all[:9], ",") + "]": "[0,1,2,3,4,5,6,8]",
		"[0, 1]":                               "[0, 1]",
		`{"a":[0,1,2,3,4,5,6,7,8,9]}`:          `{"a":[0,1,2,3,4,5,6,7,8,9]}`,
		"[0,1,":                                "[0,1,",
		"":                                     "",
	} {
		if got := string(sample([]byte(text))); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// Each package whose tests create simulated orgs must have a TestMain that calls Main.
func TestPackages_ThatServeAnOrg_AreJudged(t *testing.T) {
	root, err := pack.Root()
	if err != nil {
		t.Fatal(err)
	}
	makes, judged := map[string]bool{}, map[string]bool{}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		dir := filepath.Dir(path)
		makes[dir] = makes[dir] || strings.Contains(string(text), "oktatest.New(")
		judged[dir] = judged[dir] || strings.Contains(string(text), "orgs.Main(")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range makes {
		if makes[dir] && !judged[dir] && filepath.Base(dir) != "orgs" {
			t.Errorf("%s: give it func TestMain(m *testing.M) { os.Exit(orgs.Main(m)) }", dir)
		}
	}
	if len(judged) < 5 {
		t.Errorf("only %d packages call Main", len(judged))
	}
}
