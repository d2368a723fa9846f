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

// mutation takes out one check of a wall. Its edits go into a copy of the files that Go's -overlay shows to the compiler, so
// that the host itself has no door through which a wall could be taken out.
type mutation struct {
	wall  string // of conformance.Attack
	check string // what is gone
	edits []edit
	// ends says why the process may end, or an attack not, where the check is gone: that is what it is there to prevent.
	// Any other mutant has to be caught by an attack that says what got through.
	ends string
}

// name is what ATTACK_WALL_DOWN names it by.
func (m mutation) name() string { return m.wall + ": " + m.check }

// edit takes the place of one text in a file of the host: of old within in, which stands there once. DOWN in it stands for
// "this check is gone".
type edit struct{ file, in, old, new string }

// never has a condition of a check never hold; always has it hold always.
func never(file, cond string) edit { return neverIn(file, cond, cond) }

func neverIn(file, in, cond string) edit { return edit{file, in, cond, "((" + cond + ") && !DOWN)"} }

func always(file, cond string) edit { return edit{file, cond, cond, "((" + cond + ") || DOWN)"} }

func swap(file, old, new string) edit { return edit{file, old, old, new} }

// drop leaves out statements.
func drop(file, text string) edit { return dropIn(file, text, text) }

func dropIn(file, in, text string) edit { return edit{file, in, text, "if !DOWN { " + text + " }"} }

// down is what each package that is edited gets besides: the switch, and what mutants keep where the host keeps nothing.
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

// place is where an edit goes in the text of its file.
type place struct {
	from, to int
	text     string
}

// find is where an edit goes.
func (e edit) find(m mutation, text string) (place, error) {
	within := strings.Index(text, e.in)
	if n, inner := strings.Count(text, e.in), strings.Count(e.in, e.old); n != 1 || inner != 1 {
		return place{}, fmt.Errorf("%s: %s has its text %d times (%d within), want once; it has moved, and the mutation has to follow:\n%s", m.name(), e.file, n, inner, e.in)
	}
	from := within + strings.Index(e.in, e.old)
	text = strings.ReplaceAll(e.new, "wallDownNumber(DOWN)", fmt.Sprintf("wallDownNumber(%q)", m.name()))
	return place{from, from + len(e.old), strings.ReplaceAll(text, "DOWN", fmt.Sprintf("wallDown(%q)", m.name()))}, nil
}

// edited are the texts of the files with every mutation's edits in them.
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
				return nil, fmt.Errorf("%s: two mutations are on the same text, at %q", file, texts[file][p.from:p.to])
			}
			b.WriteString(texts[file][at:p.from] + p.text)
			at = p.to
		}
		texts[file] = b.String() + texts[file][at:]
	}
	return texts, nil
}

// build writes the overlay and the test binary in which every check can be taken out.
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

// line is what a mutant's process tells of an attack: that it begins, and what became of it.
type line struct {
	Attack string `json:"attack"`
	State  string `json:"state"` // began, held, through, or broken: see conformance.Attempts
	Error  string `json:"error,omitempty"`
}

// TestMutant is the process of a mutant: it attacks the wall that ATTACK_MUTANT names, until an attack gets through, and
// tells so in the file ATTACK_LINES. With nothing in ATTACK_WALL_DOWN every attack must be contained.
func TestMutant(t *testing.T) {
	wall := os.Getenv("ATTACK_MUTANT")
	if wall == "" {
		t.Skip("this is no mutant")
	}
	out, err := os.Create(os.Getenv("ATTACK_LINES"))
	if err != nil {
		t.Fatal(err)
	}
	tell := func(l line) {
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
		o.Patience = 5 * time.Second // without the check it would take for ever
	}
	attempts, err := conformance.Attempts(context.Background(), ours{}, o)
	if err != nil {
		t.Fatal(err)
	}
	for a, attempt := range attempts {
		tell(line{Attack: a.String(), State: "began"})
		err := attempt()
		l := line{Attack: a.String(), State: "held"}
		switch {
		case errors.Is(err, conformance.ErrNotEnded) || errors.Is(err, conformance.ErrPanic):
			l.State, l.Error = "broken", err.Error()
		case err != nil:
			l.State, l.Error = "through", err.Error()
		}
		tell(l)
		if os.Getenv("ATTACK_WALL_DOWN") != "" && l.State != "held" && (l.State == "through" || os.Getenv("ATTACK_IMPATIENT") != "") {
			os.Exit(0) // what hangs would keep the process
		}
	}
}

// stuck is how long a mutant's process may be silent before it is killed. An attack that does not end is told of sooner, unless
// nothing in the process runs any more.
const stuck = 30 * time.Second

// trial attacks a wall in a process of its own, with a check gone or with none, and returns what the process told, and how
// it ended.
func trial(t *testing.T, binary, wall, gone string, impatient bool) (lines []line, end error) {
	t.Helper()
	ctx, kill := context.WithCancel(context.Background())
	defer kill()
	file := filepath.Join(t.TempDir(), "lines")
	cmd := exec.CommandContext(ctx, binary, "-test.run", "^TestMutant$", "-test.timeout", "0")
	cmd.WaitDelay = time.Second
	cmd.Env = append(os.Environ(), "ATTACK_MUTANT="+wall, "ATTACK_LINES="+file, "ATTACK_WALL_DOWN="+gone)
	if impatient {
		cmd.Env = append(cmd.Env, "ATTACK_IMPATIENT=1")
	}
	go func() {
		var told int64
		for last := time.Now(); ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
			if info, err := os.Stat(file); err == nil && info.Size() > told {
				told, last = info.Size(), time.Now()
			}
			if time.Since(last) > stuck {
				kill()
			}
		}
	}()
	text, end := cmd.CombinedOutput()
	if ctx.Err() != nil {
		end = fmt.Errorf("nothing in the process ran any more: it was killed after %v", stuck)
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

// caught says by which attack a mutant was, or why it was not.
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
		return "", fmt.Errorf("every attack on the wall was contained without it: the %d attacks prove nothing about it", len(lines)/2)
	case m.ends == "":
		return "", fmt.Errorf("it broke in another way than by an attack, at %s, and does not say why it may: %v", last.Attack, broken)
	case last.State == "held" || last.State == "":
		return "", fmt.Errorf("it broke beside the attacks, after %s: %v", last.Attack, broken)
	}
	return fmt.Sprintf("%s: %.200v", last.Attack, broken), nil
}

// TestMutations takes each check out, one at a time, and wants an attack on its wall to get through.
func TestMutations(t *testing.T) {
	t.Parallel() // to TestAHostBehindAProcess
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
	// The memory of other systems than Linux, which Linux can have, too.
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

// attack attacks walls, each with nothing gone, and then with each of its checks gone that is of the binary.
func (n *tally) attack(t *testing.T, binary string, walls []string, of func(mutation) bool) {
	for _, wall := range walls {
		t.Run(wall, func(t *testing.T) {
			t.Parallel() // most of the time is spent waiting
			// With every check in its place no attack may get through, or a mutant would prove nothing.
			impatient := slices.ContainsFunc(mutations, func(m mutation) bool { return m.wall == wall && m.ends != "" })
			lines, end := trial(t, binary, wall, "", impatient)
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
				lines, end := trial(t, binary, wall, m.name(), m.ends != "")
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

// checkMutations holds the mutations against the kit: every wall is taken out, or it is said why not.
func checkMutations(t *testing.T) {
	t.Helper()
	inKit, known, names := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, a := range everyAttack() {
		inKit[a.Wall] = true
	}
	for _, m := range mutations {
		if known[m.wall] = true; !inKit[m.wall] {
			t.Errorf("no attack is on the wall %q", m.wall)
		}
		if names[m.name()] {
			t.Errorf("two mutations are named %q", m.name())
		}
		names[m.name()] = true
		if notTaken[m.wall] != "" {
			t.Errorf("the wall %q is said not to be taken out, and is", m.wall)
		}
	}
	for wall := range inKit {
		if !known[wall] && notTaken[wall] == "" {
			t.Errorf("the wall %q is attacked and never taken out", wall)
		}
	}
	for wall := range notTaken {
		if !inKit[wall] {
			t.Errorf("nothing attacks the wall %q, which is said not to be taken out", wall)
		}
	}
}

// tally counts, by the family of the attacks on a wall.
type tally struct {
	walls  []string
	family map[string]string // of a wall: of the first attack on it
	mu     sync.Mutex
	done   map[string]bool // the names of those that were caught
}

func newTally() *tally {
	n := &tally{family: map[string]string{}, done: map[string]bool{}}
	for _, a := range everyAttack() {
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

// String is the table.
func (n *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s %9s %9s %9s\n", "walls of", "walls", "mutations", "caught")
	var families []string
	walls, made, caught := map[string]int{}, map[string]int{}, map[string]int{}
	for _, a := range everyAttack() {
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
