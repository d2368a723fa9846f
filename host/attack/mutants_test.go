package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mach5/okta-connector/abi/conformance"
	"github.com/mach5/okta-connector/internal/figures"
)

// mutation removes one check of a wall. Its edits change copies of the files, which Go's -overlay gives to the compiler. So the
// host itself has no switch that could remove a wall.
type mutation struct {
	wall  string // as in conformance.Attack
	check string // the check that is removed
	edits []edit
	// ends says why the process may end, or an attack may not end, without the check. It is empty for most mutations, which
	// an attack must catch by getting through.
	ends string
}

// name returns the mutation's name, for ATTACK_WALL_DOWN.
func (m mutation) name() string { return m.wall + ": " + m.check }

// edit replaces old by new within in, a text that must be in the file once. DOWN in new is the condition that the check is
// removed.
type edit struct{ file, in, old, new string }

// never makes a condition of a check always false; always makes it true.
func never(file, cond string) edit { return neverIn(file, cond, cond) }

func neverIn(file, in, cond string) edit { return edit{file, in, cond, "((" + cond + ") && !DOWN)"} }

func always(file, cond string) edit { return edit{file, cond, cond, "((" + cond + ") || DOWN)"} }

// neverMode lets everyone read a new file whose mode is at the end of a text.
func neverMode(file, in string) edit {
	return edit{file, in, "0o600", "os.FileMode(0o600|0o044*wallDownNumber(DOWN))"}
}

func swap(file, old, new string) edit { return edit{file, old, old, new} }

// drop removes statements.
func drop(file, text string) edit { return dropIn(file, text, text) }

func dropIn(file, in, text string) edit { return edit{file, in, text, "if !DOWN { " + text + " }"} }

// down is the source that is added to each edited package: the switch, and state that only mutants keep.
const down = `

import (
	"os"
	"sync"
)

var theWallThatIsDown = os.Getenv("ATTACK_WALL_DOWN")

func wallDown(name string) bool { return theWallThatIsDown == name }

func wallDownNumber(name string) int {
	if wallDown(name) {
		return 1
	}
	return 0
}

var (
	wallDownKept sync.Map
	_            = wallDownNumber
)
`

// place is a range of a file's text with its replacement.
type place struct {
	from, to int
	text     string
}

// find returns the place of an edit in the text of its file.
func (e edit) find(m mutation, text string) (place, error) {
	within := strings.Index(text, e.in)
	if n, inner := strings.Count(text, e.in), strings.Count(e.in, e.old); n != 1 || inner != 1 {
		return place{}, fmt.Errorf("%s: %s has the text %d times (%d within), want once: the code was changed, and the mutation must be changed too:\n%s", m.name(), e.file, n, inner, e.in)
	}
	from := within + strings.Index(e.in, e.old)
	text = strings.ReplaceAll(e.new, "wallDownNumber(DOWN)", fmt.Sprintf("wallDownNumber(%q)", m.name()))
	return place{from, from + len(e.old), strings.ReplaceAll(text, "DOWN", fmt.Sprintf("wallDown(%q)", m.name()))}, nil
}

// edited returns the texts of the files with the edits of every mutation.
func edited(root string) (map[string]string, error) {
	places, texts := map[string][]place{}, map[string]string{}
	for _, m := range mutations {
		for _, e := range m.edits {
			if _, ok := texts[e.file]; !ok {
				b, err := os.ReadFile(filepath.Join(root, e.file))
				if err != nil {
					return nil, err
				}
				texts[e.file] = string(b)
			}
			p, err := e.find(m, texts[e.file])
			if err != nil {
				return nil, err
			}
			places[e.file] = append(places[e.file], p)
		}
	}
	for file, all := range places {
		slices.SortFunc(all, func(a, b place) int { return a.from - b.from })
		var b strings.Builder
		at := 0
		for _, p := range all {
			if p.from < at {
				return nil, fmt.Errorf("%s: two mutations edit the same text, at %q", file, texts[file][p.from:p.to])
			}
			b.WriteString(texts[file][at:p.from] + p.text)
			at = p.to
		}
		texts[file] = b.String() + texts[file][at:]
	}
	return texts, nil
}

// build builds a test binary in which every check can be removed.
func build(t *testing.T, root, tags string) (binary string) {
	t.Helper()
	dir := t.TempDir()
	texts, err := edited(root)
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	put := func(file, text string) {
		path := filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(root, file)] = path
	}
	clause := regexp.MustCompile(`(?m)^package (\w+)`)
	for file, text := range texts {
		put(file, text)
		put(filepath.Dir(file)+"/wall_down.go", clause.FindString(text)+down)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	put("overlay.json", string(overlay))
	binary = filepath.Join(dir, "attack.test")
	cmd := exec.Command("go", "test", "-c", "-tags", tags, "-overlay", replace[filepath.Join(root, "overlay.json")], "-o", binary, ".")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the host without walls: %v\n%s", err, text)
	}
	return binary
}

// line is a report of a mutant's process about an attack: that it begins, or its result.
type line struct {
	Attack string `json:"attack"`
	State  string `json:"state"` // began, held, through, or broken: see conformance.Attempts
	Error  string `json:"error,omitempty"`
}

// TestMutant_OneWall_IsAttacked is the process of a mutant. It attacks the wall ATTACK_MUTANT until an attack gets through, and
// reports to the file ATTACK_LINES. Without ATTACK_WALL_DOWN, every attack must be contained.
func TestMutant_OneWall_IsAttacked(t *testing.T) {
	wall := os.Getenv("ATTACK_MUTANT")
	if wall == "" {
		t.Skip("this process is not a mutant")
	}
	out, err := os.Create(os.Getenv("ATTACK_LINES"))
	if err != nil {
		t.Fatal(err)
	}
	report := func(l line) {
		b, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(append(b, '\n')); err != nil {
			t.Fatal(err)
		}
	}
	o := conformance.Options{Wall: wall, More: own()}
	if os.Getenv("ATTACK_IMPATIENT") != "" {
		o.Patience = 5 * time.Second // without the check, an attack may never end
	}
	attempts, err := conformance.Attempts(context.Background(), ours{}, o)
	if err != nil {
		t.Fatal(err)
	}
	for a, attempt := range attempts {
		report(line{Attack: a.String(), State: "began"})
		err := attempt()
		l := line{Attack: a.String(), State: "held"}
		switch {
		case errors.Is(err, conformance.ErrNotEnded) || errors.Is(err, conformance.ErrPanic):
			l.State, l.Error = "broken", err.Error()
		case err != nil:
			l.State, l.Error = "through", err.Error()
		}
		report(l)
		if os.Getenv("ATTACK_WALL_DOWN") != "" && l.State != "held" && (l.State == "through" || os.Getenv("ATTACK_IMPATIENT") != "") {
			os.Exit(0) // a hanging attack would keep the process running
		}
	}
}

// silenceLimit is how long a mutant's process may report nothing before it is killed. An attack that does not end is reported
// sooner, unless the whole process hangs.
const silenceLimit = 30 * time.Second

// runMutant attacks a wall in another process, without the removed check, or with all checks if removed is empty. It returns the
// reports of the process, and how it ended.
func runMutant(t *testing.T, binary, wall, removed string, impatient bool) (lines []line, end error) {
	t.Helper()
	ctx, kill := context.WithCancel(context.Background())
	defer kill()
	file := filepath.Join(t.TempDir(), "lines")
	cmd := exec.CommandContext(ctx, binary, "-test.run", "^TestMutant_OneWall_IsAttacked$", "-test.timeout", "0")
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), "ATTACK_MUTANT="+wall, "ATTACK_LINES="+file, "ATTACK_WALL_DOWN="+removed)
	if impatient {
		cmd.Env = append(cmd.Env, "ATTACK_IMPATIENT=1")
	}
	go func() {
		var size int64
		for last := time.Now(); ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
			if info, err := os.Stat(file); err == nil && info.Size() > size {
				size, last = info.Size(), time.Now()
			}
			if time.Since(last) > silenceLimit {
				kill()
			}
		}
	}()
	text, end := cmd.CombinedOutput()
	if ctx.Err() != nil {
		end = fmt.Errorf("the process reported nothing: it was killed after %v", silenceLimit)
	} else if end != nil {
		end = fmt.Errorf("%w\n%.3000s", end, text)
	}
	b, _ := os.ReadFile(file)
	for text := range bytes.Lines(b) {
		var l line
		if json.Unmarshal(text, &l) == nil {
			lines = append(lines, l)
		}
	}
	return lines, end
}

// caught returns which attack caught a mutant, or why none did.
func (m mutation) caught(lines []line, end error) (by string, err error) {
	for _, l := range lines {
		if l.State == "through" {
			return l.Attack + ": " + l.Error, nil
		}
	}
	broken := end
	last := line{Attack: "no attack"}
	for _, l := range lines {
		if last = l; l.State == "broken" && broken == nil {
			broken = errors.New(l.Error)
			break
		}
	}
	switch {
	case broken == nil:
		return "", fmt.Errorf("every attack on the wall was contained without the check: the %d attacks do not test it", len(lines)/2)
	case m.ends == "":
		return "", fmt.Errorf("the process failed without an attack getting through, at %s, and the mutation has no reason in ends: %v", last.Attack, broken)
	case last.State == "held" || last.State == "":
		return "", fmt.Errorf("the process failed between attacks, after %s: %v", last.Attack, broken)
	}
	return fmt.Sprintf("%s: %.200v", last.Attack, broken), nil
}

// TestMutations_EachCheck_IsNeeded removes each check, one at a time, and expects that an attack on its wall gets through.
func TestMutations_EachCheck_IsNeeded(t *testing.T) {
	t.Parallel() // with TestProcess_EveryAttack_IsContained
	checkMutations(t)
	if testing.Short() {
		t.Skip("builds the host a second time, and attacks it once for each mutation")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	tally := newTally()
	t.Run("of", func(t *testing.T) {
		tally.attack(t, build(t, root, ""), tally.walls, func(m mutation) bool { return !m.on("memory_other.go") })
	})
	// The memory implementation for other systems, which also works on Linux.
	t.Run("elsewhere", func(t *testing.T) {
		isolation := slices.DeleteFunc(slices.Clone(tally.walls), func(wall string) bool { return tally.family[wall] != "isolation" })
		tally.attack(t, build(t, root, "portable"), isolation, func(m mutation) bool { return !m.on("memory_linux.go") })
	})
	figures.Keep(t, "mutations", strings.TrimRight(tally.String(), "\n"))
}

// on reports whether a mutation edits a file of the host.
func (m mutation) on(file string) bool {
	return slices.ContainsFunc(m.edits, func(e edit) bool { return filepath.Base(e.file) == file })
}

// attack attacks walls, each with all checks, and then without each of the checks for which of returns true.
func (n *tally) attack(t *testing.T, binary string, walls []string, of func(mutation) bool) {
	for _, wall := range walls {
		t.Run(wall, func(t *testing.T) {
			t.Parallel() // most of the time is waiting
			// With all checks, no attack may get through. Otherwise a mutant would prove nothing.
			impatient := slices.ContainsFunc(mutations, func(m mutation) bool { return m.wall == wall && m.ends != "" })
			lines, end := runMutant(t, binary, wall, "", impatient)
			if end != nil {
				t.Fatalf("the control: %v", end)
			}
			for _, l := range lines {
				if l.State != "held" && l.State != "began" {
					t.Fatalf("the control: %+v", l)
				}
			}
			for _, m := range mutations {
				if m.wall != wall || !of(m) {
					continue
				}
				began := time.Now()
				lines, end := runMutant(t, binary, wall, m.name(), m.ends != "")
				by, err := m.caught(lines, end)
				if err != nil {
					t.Errorf("%s: %v", m.check, err)
					continue
				}
				n.caught(m)
				t.Logf("%s: caught by %.300s (%v)", m.check, by, time.Since(began).Round(time.Millisecond))
			}
		})
	}
}

// checkMutations compares the mutations with the kit: every wall has a mutation, or a reason why not.
func checkMutations(t *testing.T) {
	t.Helper()
	inKit, known, names := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, a := range allAttacks() {
		inKit[a.Wall] = true
	}
	for _, m := range mutations {
		if known[m.wall] = true; !inKit[m.wall] {
			t.Errorf("no attack tests the wall %q", m.wall)
		}
		if names[m.name()] {
			t.Errorf("two mutations are named %q", m.name())
		}
		names[m.name()] = true
		if withoutMutation[m.wall] != "" {
			t.Errorf("the wall %q has a mutation, and a reason for none", m.wall)
		}
	}
	for wall := range inKit {
		if !known[wall] && withoutMutation[wall] == "" {
			t.Errorf("the wall %q is attacked and has no mutation", wall)
		}
	}
	for wall := range withoutMutation {
		if !inKit[wall] {
			t.Errorf("no attack tests the wall %q, which has a reason for no mutation", wall)
		}
	}
}

// tally counts the caught mutations, by the family of the attacks on their wall.
type tally struct {
	walls  []string
	family map[string]string // family of the first attack on each wall
	mu     sync.Mutex
	done   map[string]bool // names of the caught mutations
}

func newTally() *tally {
	n := &tally{family: map[string]string{}, done: map[string]bool{}}
	for _, a := range allAttacks() {
		if n.family[a.Wall] == "" {
			n.family[a.Wall] = a.Family
		}
	}
	for _, m := range mutations {
		if !slices.Contains(n.walls, m.wall) {
			n.walls = append(n.walls, m.wall)
		}
	}
	return n
}

func (n *tally) caught(m mutation) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.done[m.name()] = true
}

// String returns a table.
func (n *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s %9s %9s %9s\n", "walls of", "walls", "mutations", "caught")
	var families []string
	walls, made, caught := map[string]int{}, map[string]int{}, map[string]int{}
	for _, a := range allAttacks() {
		if !slices.Contains(families, a.Family) {
			families = append(families, a.Family)
		}
	}
	for _, w := range n.walls {
		walls[n.family[w]]++
	}
	for _, m := range mutations {
		made[n.family[m.wall]]++
		if n.done[m.name()] {
			caught[n.family[m.wall]]++
		}
	}
	for _, f := range families {
		if walls[f] > 0 {
			fmt.Fprintf(&b, "%-12s %9d %9d %9d\n", f, walls[f], made[f], caught[f])
		}
	}
	fmt.Fprintf(&b, "%-12s %9d %9d %9d\n", "all", len(n.walls), len(mutations), len(n.done))
	return b.String()
}
