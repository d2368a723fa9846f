//go:build cgo && (((linux || darwin) && (amd64 || arm64)) || (windows && amd64))

package sql_test

import (
	"context"
	"fmt"
	"log"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
	"github.com/mach5/okta-connector/host"
	"github.com/mach5/okta-connector/host/hosttest"
	"github.com/mach5/okta-connector/host/sql"
)

// Who is locked out, and how many factors do they have? The org is a simulated one.
func ExampleOpen() {
	ctx := context.Background()
	m, err := hosttest.Connector.Open() // host.Load
	if err != nil {
		log.Fatal(err)
	}
	server := oktatest.New(oktatest.Config{}).Start()
	defer func() { _ = server.Close() }()
	c, err := m.Connect(ctx, host.Config{Name: "okta", Kind: "okta", BaseURL: server.URL, TokenSecretRef: "env:OKTA_API_TOKEN", AllowPrivateNetwork: true},
		host.ConnectOptions{Secrets: hosttest.Secret(server.Token())})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = c.Close(ctx) }()

	db, err := sql.Open(ctx, sql.Config{Connections: []*host.Connection{c}})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	err = db.Run(ctx, `
		SELECT login, json_array_length(connector_scalar('okta', 'list_factors', json_object('user', id)))::INT
		FROM okta.users WHERE status = 'LOCKED_OUT' ORDER BY login`,
		func(r *sql.Result) error {
			for row, err := range r.Rows() {
				if err != nil {
					return err
				}
				fmt.Println(row...)
			}
			return nil
		})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// goran.ellingham6@example.com 4
	// hugo.dvorak13@example.com 4
}
