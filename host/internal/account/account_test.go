package account

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/host/egress"
	"github.com/mach5/okta-connector/host/internal/credential"
	"github.com/mach5/okta-connector/host/secrets"
)

const token = "00aTokenThatNothingShows0123"

// fixed is a resolver of one token.
type fixed struct{}

func (fixed) Resolve(context.Context, string) (secrets.Value, error) { return secrets.New(token), nil }

// source returns a Source whose service responds without a body, and counts the requests.
func source(exchange func(ctx context.Context) *abi.SendError) (s Source, asked *int) {
	asked = new(int)
	return Source{Spec: &abi.Account{Endpoint: abi.Endpoint{Endpoint: "GET /me", Bucket: "me"}, ID: "id", Name: "name"}, Secret: "env:X",
		Credential: credential.Static{Credential: credential.New(fixed{}, "env:X", slog.New(slog.DiscardHandler))},
		Exchange: func(ctx context.Context, _ abi.Endpoint, _ abi.Request) (*egress.Response, *abi.SendError) {
			*asked++
			if err := exchange(ctx); err != nil {
				return &egress.Response{}, err
			}
			return &egress.Response{Status: http.StatusOK}, nil
		}}, asked
}

func TestRead_TokenOfACommand_NamesItsProgramAlone(t *testing.T) {
	s, _ := source(func(context.Context) *abi.SendError {
		return &abi.SendError{Code: abi.SendConnect, Message: "no route"}
	})
	s.Secret = "exec:[vault, ARGUMENT]"
	var r Reader
	if a := r.Read(t.Context(), s); a.Secret != "exec:[vault, …]" {
		t.Errorf("%+v", a)
	}
}

func TestRead_WithoutAnAccount_SaysWhyAndAsksAgainLater(t *testing.T) {
	s, asked := source(func(context.Context) *abi.SendError {
		return &abi.SendError{Code: abi.SendConnect, Message: "no route"}
	})
	var r Reader
	for range 3 {
		if a := r.Read(t.Context(), s); !strings.Contains(a.Absent, "no route") || a.Secret != "env:X" {
			t.Errorf("%+v", a)
		}
	}
	if *asked != 1 {
		t.Errorf("%d requests within %v", *asked, maxAge)
	}
	s, _ = source(func(context.Context) *abi.SendError { return nil })
	if a := new(Reader).Read(t.Context(), s); !strings.Contains(a.Absent, "without one") {
		t.Errorf("no body: %+v", a)
	}
	s.Spec = nil
	if a := new(Reader).Read(t.Context(), s); !strings.Contains(a.Absent, "no account endpoint") {
		t.Errorf("no endpoint: %+v", a)
	}
}

// TestRead_WhileAnotherReads_EndsWithItsContext: a write does not wait for the account longer than its call may last.
func TestRead_WhileAnotherReads_EndsWithItsContext(t *testing.T) {
	reading, release := make(chan struct{}), make(chan struct{})
	s, _ := source(func(context.Context) *abi.SendError {
		close(reading)
		<-release
		return nil
	})
	var r Reader
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Read(t.Context(), s)
	}()
	<-reading
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a := r.Read(ctx, s); !strings.Contains(a.Absent, "another call") {
		t.Errorf("%+v", a)
	}
	close(release)
	<-done
}
