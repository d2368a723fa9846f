package host_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host"
)

func ExampleLoad() {
	example := func(ctx context.Context) error {
		wasm, err := os.ReadFile("build/okta.wasm")
		if err != nil {
			return err
		}
		m, err := host.Load(ctx, wasm, host.LoadOptions{})
		if err != nil {
			return err
		}
		defer m.Close(ctx)
		c, err := m.Connect(ctx, host.Config{
			Name: "okta-prod", Kind: "okta",
			BaseURL:        "https://example.okta.com",
			TokenSecretRef: "env:OKTA_API_TOKEN",
			Grants:         []abi.Class{abi.Read},
		}, host.ConnectOptions{})
		if err != nil {
			return err
		}
		defer c.Close(ctx)

		res, err := c.Invoke(ctx, "lookup_user", json.RawMessage(`{"user":"ada.lovelace@example.com"}`))
		if err != nil {
			return err // also if the outcome is not OK: host.OutcomeError
		}
		fmt.Println(res.Outcome, res.Meta.Requests[0].Status)

		for rec, err := range c.Source(ctx, host.SourceOptions{Operation: "poll_system_log_page"}) {
			if err != nil {
				return err
			}
			fmt.Println(rec.Key) // rec.JSON is the event; the last rec.Checkpoint of a page resumes after it
		}
		return nil
	}
	if err := example(context.Background()); err != nil {
		fmt.Println("needs a real org")
	}
	// Output: needs a real org
}

// docs/embedding.md must show the program that is compiled here.
func TestEmbedding_Program_IsTheExample(t *testing.T) {
	text, err := os.ReadFile("../docs/embedding.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("embedding_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```go\n")
	block, _, _ = strings.Cut(block, "```")
	if len(block) < 100 {
		t.Fatal("docs/embedding.md has no go block")
	}
	var indented strings.Builder
	for line := range strings.Lines(block) {
		if strings.TrimSpace(line) != "" {
			indented.WriteString("\t\t")
		}
		indented.WriteString(line)
	}
	if !strings.Contains(string(source), indented.String()) {
		t.Error("the program of docs/embedding.md is not the body of ExampleLoad")
	}
}
