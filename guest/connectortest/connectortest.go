// Package connectortest is a kit of tests that every connector must pass. It runs the connector's module on the host, against a
// handler that plays the service. It tests what happens after a bad page, a lost answer, a repeat, a missing grant, or an input
// of a wrong type.
package connectortest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/build/pack"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/connector/check"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
)

// Build packs the connector whose package is in the working directory, which is the folder of the test that runs.
func Build(cn *connector.Connector) *hosttest.Guest {
	return hosttest.Built(func(ctx context.Context) ([]byte, error) {
		dir, folder, err := pack.Locate(".")
		if err != nil {
			return nil, err
		}
		if root, err := pack.Root(); err == nil && root == dir {
			return pack.CachedPackage(ctx, folder, cn.Manifest())
		}
		return pack.Guest(ctx, pack.Options{Dir: dir, Package: folder})
	})
}

// Kit is a connector and a service to test it with.
type Kit struct {
	Connector *connector.Connector
	Module    *hosttest.Guest
	// Service returns a new service, in the state that the examples of the operations are about. Nil leaves out the tests that
	// need one: Pages, Keys and Writes.
	Service func() http.Handler
	// Inputs are inputs by operation, in place of the examples. They must work on a new service.
	Inputs map[string]string
	// Writes are the operations whose lost answers and repeats are tested. Each must change something on a new service, and
	// nothing when it is repeated.
	Writes []string
}

// Run runs the tests of the kit.
func (k Kit) Run(t *testing.T) {
	t.Run("Literals_HaveNoMistakes", k.literals)
	t.Run("Input_OfAWrongType_IsInvalid", k.types)
	t.Run("Grant_Missing_IsDenied", k.grants)
	t.Run("Answer_ThatIsNoPage_IsUnavailable", k.answers)
	if k.Service == nil {
		return
	}
	t.Run("List_InPagesOfAnySize_IsTheSame", k.pages)
	t.Run("Record_WithoutItsKey_IsAnError", k.keys)
	t.Run("Write_WhoseAnswerIsLost_IsReadBack", k.lost)
	t.Run("Write_Repeated_IsUnchanged", k.repeats)
}

// each runs a test for each operation that a condition holds for.
func (k Kit) each(t *testing.T, when func(*connector.Operation) bool, test func(t *testing.T, op *connector.Operation)) {
	t.Helper()
	for op := range k.Connector.Each {
		if when(op) {
			t.Run(op.Name, func(t *testing.T) { test(t, op) })
		}
	}
}

// input returns an input that works.
func (k Kit) input(op *connector.Operation) string {
	switch in, ok := k.Inputs[op.Name]; {
	case ok:
		return in
	case op.Example != "":
		return op.Example
	}
	return "{}"
}

// connect connects the module to a service that counts requests.
func (k Kit) connect(t *testing.T, h http.Handler, grants ...abi.Class) (*host.Connection, *hosttest.Recorder) {
	t.Helper()
	got := &hosttest.Recorder{Handler: h}
	return hosttest.Serve(t, k.Module.Module(t), got, host.Config{Grants: grants}, host.ConnectOptions{Sleep: hosttest.ShortSleep}), got
}

// unreached is the service of tests that must send nothing.
var unreached = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })

func onAxon(op *connector.Operation) bool { return op.On(abi.Axon) }

func (k Kit) literals(t *testing.T) {
	for _, mistake := range check.Connector(k.Connector) {
		t.Error(mistake)
	}
}

// types invokes operations with a value of a wrong type for each input in turn, and with a field that the schema does not have.
func (k Kit) types(t *testing.T) {
	k.each(t, onAxon, func(t *testing.T, op *connector.Operation) {
		c, got := k.connect(t, unreached, abi.Classes()...)
		var good map[string]json.RawMessage
		if err := json.Unmarshal([]byte(k.input(op)), &good); err != nil {
			t.Fatalf("its input %s: %v", k.input(op), err)
		}
		for _, name := range append(inputs(op), "a field that is none") {
			bad := map[string]json.RawMessage{}
			for n, v := range good {
				bad[n] = v
			}
			bad[name] = json.RawMessage(`{"of":{"another":"type"}}`)
			if takesObjects(op, name) {
				bad[name] = json.RawMessage(`17.5`)
			}
			text, err := json.Marshal(bad)
			if err != nil {
				t.Fatal(err)
			}
			if res, _ := c.Invoke(t.Context(), op.Name, text); res.Outcome != abi.Invalid {
				t.Errorf("%s: %s %+v, want invalid: give the input %s a schema with a type", text, res.Outcome, res.Error, name)
			}
		}
		if n := len(got.Requests()); n > 0 {
			t.Errorf("%d requests for inputs that the schema refuses", n)
		}
	})
}

func inputs(op *connector.Operation) (names []string) {
	for _, in := range op.Inputs {
		names = append(names, in.Name)
	}
	return names
}

// takesObjects reports whether an input may be an object.
func takesObjects(op *connector.Operation, name string) bool {
	for _, in := range op.Inputs {
		if in.Name == name {
			return strings.Contains(in.Schema, `"object"`) || !strings.Contains(in.Schema, `"type"`) && !strings.Contains(in.Schema, `"enum"`)
		}
	}
	return false
}

// grants invokes each write with every grant but its own.
func (k Kit) grants(t *testing.T) {
	k.each(t, func(op *connector.Operation) bool { return onAxon(op) && len(op.Rules) == 0 }, func(t *testing.T, op *connector.Operation) {
		others := slices.DeleteFunc(abi.Classes(), func(c abi.Class) bool { return c == op.Class })
		c, got := k.connect(t, unreached, others...)
		if res, _ := c.Invoke(t.Context(), op.Name, json.RawMessage(k.input(op))); res.Outcome != abi.Denied {
			t.Errorf("with the grants %v: %s %+v, want denied", others, res.Outcome, res.Error)
		}
		if n := len(got.Requests()); n > 0 {
			t.Errorf("%d requests without the grant %s", n, op.Class)
		}
	})
}

// badAnswers are answers that a service or something between may give to a read.
var badAnswers = []struct {
	status      int
	typ, answer string
}{
	{200, "text/html", "<html>Sign in</html>"},
	{200, "application/json", `{"half":`},
	{200, "application/json", `null`},
	{200, "application/json", `7`},
	{200, "application/json", `[7]`},
	{204, "", ``},
	{202, "application/json", `{}`},
	{403, "text/html", "<html>Blocked</html>"},
	{502, "text/html", "<html>Bad gateway</html>"},
}

// answers gives bad answers to each read. None may end as a success, or as the fault of the caller.
func (k Kit) answers(t *testing.T) {
	isRead := func(op *connector.Operation) bool { return onAxon(op) && op.Class == abi.Read && op.Do == nil }
	k.each(t, isRead, func(t *testing.T, op *connector.Operation) {
		for _, bad := range badAnswers {
			c, _ := k.connect(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if bad.typ != "" {
					w.Header().Set("Content-Type", bad.typ)
				}
				w.WriteHeader(bad.status)
				_, _ = w.Write([]byte(bad.answer))
			}), abi.Read)
			res, _ := c.Invoke(t.Context(), op.Name, json.RawMessage(k.input(op)))
			if res.Outcome != abi.Unavailable {
				t.Errorf("%d %s: %s %+v, want unavailable", bad.status, bad.answer, res.Outcome, res.Error)
			}
		}
	})
}

// listed returns the keys of the records in a result.
func listed(t *testing.T, output json.RawMessage, key string) (keys []string) {
	t.Helper()
	var list struct {
		Records []map[string]any `json:"records"`
	}
	if err := json.Unmarshal(output, &list); err != nil {
		t.Fatal(err)
	}
	for _, r := range list.Records {
		keys = append(keys, fmt.Sprint(r[key]))
	}
	return keys
}

// pages reads each list as a whole, and in pieces of every size, each from the cursor of the piece before.
func (k Kit) pages(t *testing.T) {
	k.each(t, pieces, func(t *testing.T, op *connector.Operation) {
		service := k.Service()
		c, _ := k.connect(t, service, abi.Read)
		read := func(more string) *abi.Result {
			in := strings.TrimSuffix(strings.TrimSpace(k.input(op)), "}")
			if strings.HasSuffix(in, "{") {
				more = strings.TrimPrefix(more, ",")
			}
			res, _ := c.Invoke(t.Context(), op.Name, json.RawMessage(in+more+"}"))
			if res.Outcome != abi.Succeeded {
				t.Fatalf("%s: %s %+v", in+more+"}", res.Outcome, res.Error)
			}
			return res
		}
		whole := listed(t, read("").Output, op.Key)
		if len(whole) < 2 {
			t.Fatalf("%d records on the service: too few to tell pages apart", len(whole))
		}
		for size := 1; size < len(whole); size++ {
			var all []string
			cursor := ""
			for range len(whole) + 1 {
				res := read(fmt.Sprintf(`,"limit":%d%s`, size, cursor))
				if all = append(all, listed(t, res.Output, op.Key)...); res.NextCursor == "" {
					break
				}
				text, _ := json.Marshal(res.NextCursor) // a string always encodes
				cursor = `,"cursor":` + string(text)
			}
			if !slices.Equal(all, whole) {
				t.Errorf("%d at a time: %q, want %q", size, all, whole)
			}
		}
	})
}

// pieces reports whether an operation is a list that can be read in pieces.
func pieces(op *connector.Operation) bool {
	return onAxon(op) && op.List != nil && !op.List.OnePage && slices.Contains(inputs(op), "limit") && slices.Contains(inputs(op), "cursor") &&
		!strings.Contains(op.Key, ".")
}

// keys renames the key in every record that the service answers.
func (k Kit) keys(t *testing.T) {
	k.each(t, func(op *connector.Operation) bool { return pieces(op) && !op.List.Keyless }, func(t *testing.T, op *connector.Operation) {
		c, _ := k.connect(t, rewriting(k.Service(), func(body string) string {
			return strings.ReplaceAll(body, `"`+op.Key+`":`, `"another_`+op.Key+`":`)
		}), abi.Read)
		if res, _ := c.Invoke(t.Context(), op.Name, json.RawMessage(k.input(op))); res.Outcome.OK() || !strings.Contains(res.Error.Message, op.Key) {
			t.Errorf("%s %+v, want an error that names the key %s", res.Outcome, res.Error, op.Key)
		}
	})
}

// written runs a test for each operation of Writes.
func (k Kit) written(t *testing.T, test func(t *testing.T, op *connector.Operation)) {
	t.Helper()
	for _, name := range k.Writes {
		if k.Connector.Find(name) == nil {
			t.Errorf("Writes: the connector has no operation %s", name)
		}
	}
	k.each(t, func(op *connector.Operation) bool { return slices.Contains(k.Writes, op.Name) }, test)
}

// lost loses the answer of each write: once after the service did the write, and once before.
func (k Kit) lost(t *testing.T) {
	k.written(t, func(t *testing.T, op *connector.Operation) {
		for _, done := range []bool{true, false} {
			service, writes := k.Service(), 0
			c, _ := k.connect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					service.ServeHTTP(w, r)
					return
				}
				if writes++; done {
					service.ServeHTTP(discarded{http.Header{}}, r)
				}
				panic(http.ErrAbortHandler)
			}), abi.Classes()...)
			res, _ := c.Invoke(t.Context(), op.Name, json.RawMessage(k.input(op)))
			switch {
			case writes != 1:
				t.Errorf("%d writes were sent, want 1: a write whose answer is lost is not sent again (done %v)", writes, done)
			case done && (res.Outcome != abi.Succeeded || !res.Meta.Reconciled):
				t.Errorf("the write took effect and its answer was lost: %s %+v, want succeeded, reconciled", res.Outcome, res.Error)
			case !done && (res.Outcome != abi.Unavailable || !res.Error.Retryable):
				t.Errorf("the write did not take effect: %s %+v, want unavailable, retryable", res.Outcome, res.Error)
			}
		}
	})
}

// repeats invokes each write twice.
func (k Kit) repeats(t *testing.T) {
	k.written(t, func(t *testing.T, op *connector.Operation) {
		service, writes := k.Service(), 0
		c, _ := k.connect(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				writes++
			}
			service.ServeHTTP(w, r)
		}), abi.Classes()...)
		first, _ := c.Invoke(t.Context(), op.Name, json.RawMessage(k.input(op)))
		sent := writes
		second, _ := c.Invoke(t.Context(), op.Name, json.RawMessage(k.input(op)))
		if first.Outcome != abi.Succeeded || second.Outcome != abi.Unchanged || sent == 0 || writes != sent {
			t.Errorf("first %s %+v with %d writes, then %s %+v with %d more: want succeeded, then unchanged without a write",
				first.Outcome, first.Error, sent, second.Outcome, second.Error, writes-sent)
		}
	})
}

// discarded is the response of a request whose answer nobody gets.
type discarded struct{ header http.Header }

func (d discarded) Header() http.Header         { return d.header }
func (d discarded) Write(b []byte) (int, error) { return len(b), nil }
func (d discarded) WriteHeader(int)             {}

// rewriting changes the bodies of a handler's answers.
func rewriting(h http.Handler, change func(string) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := &kept{header: w.Header(), status: http.StatusOK}
		h.ServeHTTP(got, r)
		w.WriteHeader(got.status)
		_, _ = w.Write([]byte(change(got.body.String())))
	})
}

// kept is a response that is not sent yet.
type kept struct {
	header http.Header
	status int
	body   strings.Builder
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) Write(b []byte) (int, error) { return k.body.Write(b) }
func (k *kept) WriteHeader(status int)      { k.status = status }
