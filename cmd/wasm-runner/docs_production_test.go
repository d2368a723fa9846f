package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

const production = root + "docs/production.md"

// unitCommand returns the command of the systemd unit of docs/production.md, and the unit.
func unitCommand(t *testing.T) (command, unit string) {
	t.Helper()
	blocks := codeBlocks(t, production, "ini")
	if len(blocks) != 1 {
		t.Fatalf("%d ini blocks in docs/production.md, want 1", len(blocks))
	}
	found := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindStringSubmatch(strings.ReplaceAll(blocks[0], "\\\n", ""))
	if found == nil {
		t.Fatal("the unit has no ExecStart")
	}
	return found[1], blocks[0]
}

// yamlBlock returns the only yaml block of docs/production.md that has a text in it.
func yamlBlock(t *testing.T, with string) string {
	t.Helper()
	var found []string
	for _, block := range codeBlocks(t, production, "yaml") {
		if strings.Contains(block, with) {
			found = append(found, block)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d yaml blocks of docs/production.md have %q, want 1", len(found), with)
	}
	return found[0]
}

// follower runs a command of docs/production.md in a folder of the test until it has saved its checkpoint, scrapes its metrics,
// ends it as a supervisor does, and returns what /metrics, /readyz and /healthz answered.
func follower(t *testing.T, command string) (metrics string) {
	t.Helper()
	dir := t.TempDir()
	org := oktatest.New(oktatest.Config{}).Start()
	t.Cleanup(func() { _ = org.Close() })
	search := httptest.NewServer(http.HandlerFunc(serveBulk))
	t.Cleanup(search.Close)
	for name, text := range map[string]string{
		"connections.yaml": realAddress.ReplaceAllString(yamlConnections(t), "${0}\n${1}allow_private_network: true"),
		"okta.token":       org.Token(), "search.token": "k", "token": "k",
	} {
		text = strings.ReplaceAll(text, "https://example.okta.com", org.URL)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "okta-ingest"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("/etc/okta-connector", dir, "%S", dir, "/state", dir, "/run/secrets/search", dir, "https://search.example.com", search.URL,
		"/usr/local/bin/wasm-runner", linked(t, filepath.Join(dir, "bin")), "--metrics 9464", "--metrics 0", "0.0.0.0:9464", "0").Replace(command)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec "+text)
	cmd.Env = append(os.Environ(), "WASM_RUNNER_MODULE="+module(t))
	var stderr output
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	file := checkpoint.FindStringSubmatch(text)
	if file == nil {
		t.Fatalf("no --checkpoint in %s", text)
	}
	served := regexp.MustCompile(`"msg":"metrics","address":"([^"]+)"`)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-ended:
			t.Fatalf("%s ended: %v\n%s", text, err, stderr.String())
		default:
		}
		if info, err := os.Stat(file[1]); err == nil && info.Size() > 0 && served.MatchString(stderr.String()) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s saved no checkpoint\n%s", text, stderr.String())
		}
	}
	address := "http://" + served.FindStringSubmatch(stderr.String())[1]
	for _, path := range []string{"/readyz", "/healthz"} {
		get(t, address+path)
	}
	caughtUp := regexp.MustCompile(`(?m)^wasm_runner_source_caught_up\{.*\} 1$`) // by then all metrics are known
	for deadline := time.Now().Add(patience); !caughtUp.MatchString(metrics); time.Sleep(20 * time.Millisecond) {
		if metrics = get(t, address+"/metrics"); time.Now().After(deadline) {
			t.Fatalf("it does not catch up:\n%s", metrics)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("%s: %v\n%s", text, err, stderr.String())
	}
	return metrics
}

// output is what a process wrote so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// get returns the body of a 200. It waits for one, since readiness comes with the first page.
func get(t *testing.T, url string) string {
	t.Helper()
	var status, body string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		r, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if status, body = r.Status, string(text); r.StatusCode == http.StatusOK {
			return body
		}
	}
	t.Fatalf("%s: %s: %s", url, status, body)
	return ""
}

// yamlConnections returns the connection file of docs/production.md.
func yamlConnections(t *testing.T) string {
	t.Helper()
	return yamlBlock(t, "token_secret_ref: file:okta.token")
}

// metricsTable lists the metrics that a follower exports.
func metricsTable(t *testing.T) string {
	command, _ := unitCommand(t)
	kinds := map[string]string{}
	b := table("metric", "type", "labels", "meaning")
	text := follower(t, command)
	for _, found := range regexp.MustCompile(`(?m)^# TYPE (wasm_runner_\w+) (\w+)$`).FindAllStringSubmatch(text, -1) {
		kinds[found[1]] = found[2]
	}
	for _, found := range regexp.MustCompile(`(?m)^# HELP (wasm_runner_\w+) (.*)$`).FindAllStringSubmatch(text, -1) {
		var labels []string
		sample := regexp.MustCompile(`(?m)^` + found[1] + `\{(.*)\} `).FindStringSubmatch(text)
		if sample != nil {
			for _, label := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(sample[1], -1) {
				labels = append(labels, label[1])
			}
		}
		row(b, "`"+found[1]+"`", kinds[found[1]], strings.Join(labels, ", "), found[2])
	}
	if len(kinds) < 15 {
		t.Errorf("%d metrics were scraped:\n%s", len(kinds), text)
	}
	return b.String()
}

// TestProduction_Unit_IsValid: the unit's command runs in TestDocs_Tables_AreCurrent, which scrapes it.
func TestProduction_Unit_IsValid(t *testing.T) {
	t.Parallel()
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not here")
	}
	_, unit := unitCommand(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "okta-ingest.service")
	unit = strings.ReplaceAll(unit, "/usr/local/bin/wasm-runner", linked(t, filepath.Join(dir, "bin")))
	if err := os.WriteFile(path, []byte(unit), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), verify, "verify", path).CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("okta-ingest")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// manifest is the part of a Kubernetes object that the test looks at.
type kubernetesObject struct {
	APIVersion string            `yaml:"apiVersion"`
	Kind       string            `yaml:"kind"`
	Data       map[string]string `yaml:"data"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec struct {
		Replicas int `yaml:"replicas"`
		Selector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		} `yaml:"selector"`
		VolumeClaimTemplates []struct {
			Metadata struct {
				Name string `yaml:"name"`
			} `yaml:"metadata"`
		} `yaml:"volumeClaimTemplates"`
		Template struct {
			Metadata struct {
				Labels map[string]string `yaml:"labels"`
			} `yaml:"metadata"`
			Spec struct {
				Volumes []struct {
					Name string `yaml:"name"`
				} `yaml:"volumes"`
				Containers []struct {
					Args  []string `yaml:"args"`
					Ports []struct {
						Name          string `yaml:"name"`
						ContainerPort int    `yaml:"containerPort"`
					} `yaml:"ports"`
					LivenessProbe  probe `yaml:"livenessProbe"`
					ReadinessProbe probe `yaml:"readinessProbe"`
					VolumeMounts   []struct {
						Name      string `yaml:"name"`
						MountPath string `yaml:"mountPath"`
					} `yaml:"volumeMounts"`
				} `yaml:"containers"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

type probe struct {
	HTTPGet struct {
		Path string `yaml:"path"`
		Port string `yaml:"port"`
	} `yaml:"httpGet"`
}

// TestProduction_Kubernetes_Runs runs the container's command, and checks that the manifest's names lead to each other.
func TestProduction_Kubernetes_Runs(t *testing.T) {
	t.Parallel()
	var objects []kubernetesObject
	for text := range strings.SplitSeq(yamlBlock(t, "kind: StatefulSet"), "\n---\n") {
		var strict any
		if err := yaml.NewDecoder(strings.NewReader(text)).Decode(&strict); err != nil {
			t.Fatal(err)
		}
		var o kubernetesObject
		if err := yaml.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		objects = append(objects, o)
	}
	if len(objects) != 2 || objects[0].Kind != "ConfigMap" || objects[1].Kind != "StatefulSet" || objects[1].APIVersion != "apps/v1" {
		t.Fatalf("%+v", objects)
	}
	spec := objects[1].Spec
	if label := spec.Template.Metadata.Labels["app"]; spec.Replicas != 1 || label == "" || spec.Selector.MatchLabels["app"] != label {
		t.Errorf("replicas %d, labels %v, selector %v", spec.Replicas, spec.Template.Metadata.Labels, spec.Selector.MatchLabels)
	}
	c := spec.Template.Spec.Containers[0]
	var volumes []string
	for _, v := range spec.Template.Spec.Volumes {
		volumes = append(volumes, v.Name)
	}
	for _, v := range spec.VolumeClaimTemplates {
		volumes = append(volumes, v.Metadata.Name)
	}
	for _, m := range c.VolumeMounts {
		if !slices.Contains(volumes, m.Name) {
			t.Errorf("volume %s is mounted, and is not there", m.Name)
		}
	}
	if c.Ports[0].ContainerPort != 9464 || c.LivenessProbe.HTTPGet.Port != c.Ports[0].Name || c.LivenessProbe.HTTPGet.Path != "/healthz" ||
		c.ReadinessProbe.HTTPGet.Port != c.Ports[0].Name || c.ReadinessProbe.HTTPGet.Path != "/readyz" {
		t.Errorf("ports %v, probes %v and %v", c.Ports, c.LivenessProbe, c.ReadinessProbe)
	}
	var command []string
	for _, arg := range c.Args {
		command = append(command, "'"+arg+"'")
	}
	follower(t, "/usr/local/bin/wasm-runner "+strings.Join(command, " "))
}

// TestProduction_Alerts_NameMetricsThatExist, of the generated table, and promtool takes them where it is there.
func TestProduction_Alerts_NameMetricsThatExist(t *testing.T) {
	t.Parallel()
	text := yamlBlock(t, "alert:")
	var rules struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []struct {
				Alert       string            `yaml:"alert"`
				Expr        string            `yaml:"expr"`
				For         string            `yaml:"for"`
				Labels      map[string]string `yaml:"labels"`
				Annotations map[string]string `yaml:"annotations"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.NewDecoder(strings.NewReader(text), yaml.Strict()).Decode(&rules); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(production)
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			names := regexp.MustCompile(`wasm_runner_\w+`).FindAllString(r.Expr, -1)
			if len(names) == 0 || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("alert %s is incomplete: %+v", r.Alert, r)
			}
			for _, name := range names {
				if !bytes.Contains(page, []byte("| `"+name+"` |")) {
					t.Errorf("alert %s names %s, which the runner does not export", r.Alert, name)
				}
			}
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		return
	}
	path := filepath.Join(t.TempDir(), "alerts.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if out, err := exec.CommandContext(ctx, promtool, "check", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
