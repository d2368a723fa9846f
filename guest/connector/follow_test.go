package connector

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
)

var entries = List{Endpoint: "GET /entries", MaxPage: 100, Query: []Param{{"topic", "topic"}}}

// journal is a connector with one list, which is also a source.
var journal = &Connector{
	Service: Service{Name: "Journal", PageParam: "size", LinkParams: "from"},
	Operations: [][]Operation{{{
		Name: "list_entries", Class: abi.Read, Surfaces: []abi.Surface{abi.Ingest}, Inputs: []Input{{"topic", false, `{"type":"string"}`}},
		Endpoints: []*abi.Endpoint{{Endpoint: "GET /entries"}}, List: &entries, Source: entries.Follow,
	}}},
}

// served answers with pages of two of n entries.
func served(n *int) *hosttest.Host {
	return &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
		from := 0
		if _, query, ok := strings.Cut(req.Link, "from="); ok {
			_, _ = fmt.Sscan(query, &from)
		}
		var page []string
		for i := from; i < min(from+2, *n); i++ {
			page = append(page, fmt.Sprintf(`{"id":"%d"}`, i))
		}
		a := hosttest.Answer{Status: 200, Body: "[" + strings.Join(page, ",") + "]"}
		if from+2 < *n {
			a.Headers = map[string][]string{"link": {fmt.Sprintf(`<https://journal.example/entries?from=%d>; rel="next"`, from+2)}}
		}
		return a
	}}
}

func source(t *testing.T, host *hosttest.Host, config, checkpoint string) (out abi.SourceOutput) {
	t.Helper()
	text, err := journal.Source(hostcall.New(host), `{"operation":"list_entries","config":`+config+`,"settings":{},"checkpoint":`+checkpoint+`}`)
	if err == nil {
		err = json.Unmarshal([]byte(text), &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestFollow_ListThatGrows_EmitsEachRecordOnce follows a list that grows by one, two and three records at a time.
func TestFollow_ListThatGrows_EmitsEachRecordOnce(t *testing.T) {
	for grows := 1; grows <= 3; grows++ {
		n, at := 0, "null"
		host := served(&n)
		for n < 12 {
			for {
				out := source(t, host, `{}`, at)
				if out.Outcome != abi.Succeeded {
					t.Fatalf("%+v", out)
				}
				if at = string(out.Checkpoint); out.CaughtUp {
					break
				}
			}
			if len(host.Records) != n {
				t.Fatalf("%d records of %d: %q", len(host.Records), n, host.Records)
			}
			n += grows
		}
		for i, r := range host.Records {
			if r != fmt.Sprintf(`{"id":"%d"}`, i) {
				t.Errorf("record %d is %s", i, r)
			}
		}
	}
}

func TestFollow_CheckpointOfAnotherSource_IsInvalid(t *testing.T) {
	n := 3
	good := string(source(t, served(&n), `{}`, "null").Checkpoint)
	for name, c := range map[string]struct{ config, checkpoint string }{
		"another input":          {`{"topic":"x"}`, good},
		"another version":        {`{}`, strings.Replace(good, `"v":1`, `"v":2`, 1)},
		"a foreign link":         {`{}`, strings.Replace(good, `/entries`, `/secrets`, 1)},
		"a negative count":       {`{}`, strings.TrimSuffix(good, "}") + `,"s":-1}`},
		"an empty checkpoint":    {`{}`, `{}`},
		"the cursor of a source": {`{}`, `{"l":"/entries?from=2"}`},
	} {
		host := served(&n)
		if out := source(t, host, c.config, c.checkpoint); out.Outcome != abi.Invalid || out.Error.Code != "checkpoint" || len(host.Requests) > 0 {
			t.Errorf("%s: %s %+v after %d requests", name, out.Outcome, out.Error, len(host.Requests))
		}
	}
}
