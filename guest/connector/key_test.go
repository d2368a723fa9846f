package connector_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/compare"
	"github.com/mach5/okta-connector/guest/connector/replace"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/hostcall/hosttest"
	"github.com/mach5/okta-connector/guest/jsonval"
)

const (
	getPart = "GET /parts/{part}"
	putPart = "PUT /parts/{part}"
)

// parts returns a connector whose objects have their key in a member other than id.
func parts(key string) *connector.Connector {
	whole := replace.Whole{Get: getPart, Put: putPart, Noun: "part", Type: "part"}
	inputs := []connector.Input{connector.IDInput("part", "the part"), {"name", true, `{"type":"string"}`}}
	endpoints := []*abi.Endpoint{{Endpoint: getPart}, {Endpoint: putPart}}
	return &connector.Connector{
		Service: connector.Service{Name: "Parts", RequestID: "trace"},
		Operations: [][]connector.Operation{{
			{Name: "rename_part", Class: abi.Write, Surfaces: []abi.Surface{abi.Axon}, Key: key, Inputs: inputs, Endpoints: endpoints, Do: func(c *connector.Call) connector.Result {
				path := connector.Pairs("part", c.Str("part"))
				read := func() (connector.Object, *connector.Result) {
					return c.ReadObject(hostcall.Request{Endpoint: getPart, Path: path}, "part", "part")
				}
				if _, failed := read(); failed != nil {
					return *failed
				}
				named := func(o connector.Object) bool { return strings.Contains(o.Raw(), `"`+c.Str("name")+`"`) }
				return c.Change(connector.Change{Request: hostcall.Request{Endpoint: putPart, Path: path, Body: `{"name":"` + c.Str("name") + `"}`},
					Noun: "part", Type: "part", What: "renaming", Undone: "the part was not renamed",
					Look: connector.Look(read, named, func(o connector.Object) string { return o.Raw() })})
			}},
			{Name: "replace_part", Class: abi.Write, Surfaces: []abi.Surface{abi.Axon}, Key: key, Inputs: inputs, Endpoints: endpoints, Do: func(c *connector.Call) connector.Result {
				gaps := func(now, wanted jsonval.Value, _ compare.Comparison) []compare.Gap {
					return compare.Rules{}.Gaps(now, wanted, "")
				}
				return replace.Do(c, replace.Replacement{Whole: &whole, Path: connector.Pairs("part", c.Str("part")), Gaps: gaps,
					Merge: func(before jsonval.Value) (string, *connector.Result) {
						return strings.Replace(before.Raw(), `"old"`, `"new"`, 1), nil
					},
					Same: func(a, b jsonval.Value) bool { return a.Equal(b) }})
			}},
		}},
	}
}

func TestWrite_KeyOfAnyForm_EndsInSuccess(t *testing.T) {
	for key, object := range map[string]string{
		"sku":     `{"sku":"p1","name":"old"}`,
		"no":      `{"no":17,"name":"old"}`,
		"part.id": `{"part":{"id":"p1","name":"old"}}`,
		"":        `{"id":"p1","name":"old"}`,
	} {
		for _, op := range []string{"rename_part", "replace_part"} {
			for _, lost := range []bool{false, true} {
				now := object
				host := &hosttest.Host{Answer: func(req abi.Request) hosttest.Answer {
					if strings.HasPrefix(req.Endpoint, "PUT ") {
						now = strings.Replace(object, "old", "new", 1)
						if lost {
							return hosttest.Answer{Err: &abi.SendError{Code: abi.SendInterrupted, Message: "gone", Sent: true}}
						}
					}
					return hosttest.Answer{Status: 200, Headers: map[string][]string{"trace": {"t1"}}, Body: now}
				}}
				text, err := parts(key).Invoke(hostcall.New(host), `{"operation":"`+op+`","input":{"part":"p1","name":"new"},"settings":{},"now":"2026-01-01T00:00:00Z"}`)
				var out abi.InvokeOutput
				if err == nil {
					err = json.Unmarshal([]byte(text), &out)
				}
				if err != nil || out.Outcome != abi.Succeeded || out.Reconciled != lost {
					t.Errorf("key %q, %s, lost %v: %v %+v %+v", key, op, lost, err, out, out.Error)
				}
			}
		}
	}
}

// TestRead_ObjectWithoutItsKey_NamesTheKey: a wrong Key must not look like a fault of the service.
func TestRead_ObjectWithoutItsKey_NamesTheKey(t *testing.T) {
	host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer {
		return hosttest.Answer{Status: 200, Body: `{"id":"p1","name":"old"}`}
	}}
	text, err := parts("sku").Invoke(hostcall.New(host), `{"operation":"rename_part","input":{"part":"p1","name":"new"},"settings":{}}`)
	if err != nil || !strings.Contains(text, "sku") {
		t.Error(text, err)
	}
}

// TestRead_ObjectKindWithAKey_IsReadByIt: an operation may read objects of other kinds than its own.
func TestRead_ObjectKindWithAKey_IsReadByIt(t *testing.T) {
	cn := &connector.Connector{
		Service: connector.Service{Name: "Parts", RequestID: "trace", Objects: []connector.ObjectKind{{Segment: "shelves", Read: "GET /shelves/{shelf}", Key: "code"}}},
		Operations: [][]connector.Operation{{{Name: "look", Class: abi.Read, Surfaces: []abi.Surface{abi.Axon}, Key: "sku",
			Endpoints: []*abi.Endpoint{{Endpoint: "GET /shelves/{shelf}"}}, Do: func(c *connector.Call) connector.Result {
				o, failed := c.ReadObject(hostcall.Request{Endpoint: "GET /shelves/{shelf}", Path: connector.Pairs("shelf", "A")}, "shelf", "shelf")
				if failed != nil {
					return *failed
				}
				return connector.Result{Outcome: abi.Succeeded, Output: fmt.Sprintf("%q", c.ID("GET /shelves/{shelf}", o.Value))}
			}}}},
	}
	host := &hosttest.Host{Answer: func(abi.Request) hosttest.Answer { return hosttest.Answer{Status: 200, Body: `{"code":"A"}`} }}
	text, err := cn.Invoke(hostcall.New(host), `{"operation":"look","input":{},"settings":{}}`)
	if err != nil || !strings.Contains(text, `"output":"A"`) {
		t.Error(text, err)
	}
}
