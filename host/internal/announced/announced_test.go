package announced

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
)

// gate allows everything. Its Send is what a test gives.
func gate(send func(ctx context.Context, req abi.Request) *abi.SendError) Gate {
	return Gate{
		Allowed: func(req *abi.Request) (*abi.Endpoint, bool, *abi.Response) {
			return &abi.Endpoint{Endpoint: req.Endpoint}, true, nil
		},
		Target: func(c egress.Call) (string, error) {
			if c.Request.Path["id"] == ".." {
				return "", errors.New("a path step")
			}
			return "", nil
		},
		Count: func() *abi.SendError { return nil },
		Send: func(ctx context.Context, _ abi.Endpoint, req abi.Request, _ bool) (*egress.Response, *abi.SendError) {
			return &egress.Response{Status: 200}, send(ctx, req)
		},
	}
}

func item(id string) abi.Request {
	return abi.Request{Endpoint: "GET /items/{id}", Path: map[string]string{"id": id}}
}

// All reads are sent before any is taken: each waits for the last.
func TestReads_Started_AreSentInParallelAndTakenOnce(t *testing.T) {
	var r Reads
	arrived, all := make(chan struct{}, AtOnce), make(chan struct{})
	g := gate(func(ctx context.Context, _ abi.Request) *abi.SendError {
		arrived <- struct{}{}
		select {
		case <-all:
			return nil
		case <-ctx.Done():
			return &abi.SendError{Code: abi.SendCanceled}
		}
	})
	var reqs []abi.Request
	for i := range AtOnce {
		reqs = append(reqs, item(fmt.Sprint(i)))
	}
	if fail, bad := r.Start(context.Background(), reqs, g); fail != nil || bad != nil {
		t.Fatal(fail, bad)
	}
	for range AtOnce {
		<-arrived
	}
	close(all)
	for i := range reqs {
		if sent, ok := r.Take(keyOf(&reqs[i])); !ok || sent.Err != nil || sent.Response.Status != 200 {
			t.Errorf("%d: %v %+v", i, ok, sent)
		}
		if r.Has(keyOf(&reqs[i])) {
			t.Errorf("read %d can be taken twice", i)
		}
	}
	r.Stop(func(Read, Sent) { t.Error("a read that was taken is passed on again") })
}

func TestReads_NotTaken_AreStoppedAndReported(t *testing.T) {
	var r Reads
	g := gate(func(ctx context.Context, _ abi.Request) *abi.SendError {
		<-ctx.Done()
		return &abi.SendError{Code: abi.SendCanceled}
	})
	if fail, bad := r.Start(context.Background(), []abi.Request{item("a"), item("b")}, g); fail != nil || bad != nil {
		t.Fatal(fail, bad)
	}
	var ids []string
	r.Stop(func(read Read, sent Sent) {
		if ids = append(ids, read.Request.Path["id"]); sent.Err == nil || sent.Err.Code != abi.SendCanceled {
			t.Errorf("%+v", sent)
		}
	})
	if !slices.Equal(ids, []string{"a", "b"}) {
		t.Errorf("%q", ids)
	}
}

func TestReads_OneRefused_SendsNone(t *testing.T) {
	g := gate(func(context.Context, abi.Request) *abi.SendError {
		t.Error("a read was sent")
		return nil
	})
	post := abi.Request{Endpoint: "POST /items"}
	nested, emits := item("x"), item("x")
	nested.Announce, emits.Emit = []abi.Request{item("y")}, &abi.EmitOptions{}
	many := slices.Repeat([]abi.Request{item("x")}, abi.MaxAnnounced+1)
	for name, reqs := range map[string][]abi.Request{"a write": {item("a"), post}, "nested": {item("a"), nested}, "with emit": {emits}, "a path step": {item("a"), item("..")}, "many": many} {
		var r Reads
		if _, bad := r.Start(context.Background(), reqs, g); bad == nil {
			t.Errorf("%s: accepted", name)
		}
		r.Stop(func(Read, Sent) { t.Errorf("%s: started", name) })
	}
}

func TestReads_OverTheLimit_AreNotSent(t *testing.T) {
	var r Reads
	g := gate(func(context.Context, abi.Request) *abi.SendError { return nil })
	n := 0
	g.Count = func() *abi.SendError {
		if n++; n > 2 {
			return &abi.SendError{Code: abi.SendLimit}
		}
		return nil
	}
	reqs := []abi.Request{item("a"), item("b"), item("c")}
	if fail, bad := r.Start(context.Background(), reqs, g); fail != nil || bad != nil {
		t.Fatal(fail, bad)
	}
	if r.Has(keyOf(&reqs[2])) || !r.Has(keyOf(&reqs[1])) {
		t.Error("the third read was started, or the second was not")
	}
	r.Stop(func(Read, Sent) {})
}
