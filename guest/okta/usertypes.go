package okta

import (
	"path"

	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/connector"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

var (
	getUserTypes  = abi.Endpoint{Endpoint: "GET /api/v1/meta/types/user", Bucket: "/api/v1", Scopes: []string{"okta.userTypes.read"}, Query: pageParams}
	getUserType   = abi.Endpoint{Endpoint: "GET /api/v1/meta/types/user/{typeId}", Bucket: "/api/v1", Scopes: []string{"okta.userTypes.read"}}
	getUserSchema = abi.Endpoint{Endpoint: "GET /api/v1/meta/schemas/user/{schemaId}", Bucket: "/api/v1", Scopes: []string{"okta.schemas.read"}}
)

var userTypeOperations = []connector.Operation{
	{
		Name:        "list_user_types",
		Addition:    true,
		Summary:     "Lists the org's user types. A user's type_id is the id of one.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{connector.LimitInput, connector.CursorInput},
		Example:     `{}`,
		Key:         "id",
		Columns: []connector.Column{
			{"id", abi.Varchar, "id", "the type's id"},
			{"name", abi.Varchar, "name", "in expressions"},
			{"display_name", abi.Varchar, "displayName", ""},
			{"description", abi.Varchar, "description", ""},
			{"is_default", abi.Boolean, "default", "whether new users have it by default"},
			{"created", abi.TimestampTZ, "created", ""},
			{"created_by", abi.Varchar, "createdBy", "a user's id"},
			{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
			{"last_updated_by", abi.Varchar, "lastUpdatedBy", "a user's id"},
			{"links", abi.JSON, "_links", ""},
		},
		Display:   "name display_name is_default created last_updated id",
		Endpoints: []*abi.Endpoint{&getUserTypes},
		List:      &connector.List{Endpoint: getUserTypes.Endpoint},
	},
	{
		Name:        "get_user_schema",
		Addition:    true,
		Summary:     "Reads the attributes that profiles of a user type can have: Okta's own in base, the org's in custom.",
		Class:       abi.Read,
		Surfaces:    axonSQL,
		Idempotency: abi.Safe,
		Inputs:      []connector.Input{{"type", false, connector.IDSchema("64", "id of a user type, as in list_user_types; default: the org's default type")}},
		Example:     `{}`,
		Key:         "id",
		Columns: []connector.Column{
			{"id", abi.Varchar, "id", "the schema's address"},
			{"name", abi.Varchar, "name", "of the user type"},
			{"title", abi.Varchar, "title", ""},
			{"created", abi.TimestampTZ, "created", ""},
			{"last_updated", abi.TimestampTZ, "lastUpdated", ""},
			{"base", abi.JSON, "definitions.base.properties", "Okta's attributes by name"},
			{"custom", abi.JSON, "definitions.custom.properties", "the org's attributes by name"},
			{"links", abi.JSON, "_links", ""},
		},
		Display:   "name title created last_updated id",
		Endpoints: []*abi.Endpoint{&getUserType, &getUserSchema},
		Do:        readUserSchema,
	},
}

// readUserSchema reads the schema to which the user type has a link.
func readUserSchema(c *connector.Call) connector.Result {
	id := "default"
	if typ := c.Str("type"); typ != "" {
		t, failed := c.ReadObject(hostcall.Request{Endpoint: getUserType.Endpoint, Path: connector.Pairs("typeId", typ)}, "UserType", "user type")
		if failed != nil {
			return *failed
		}
		href := t.At("_links", "schema", "href").Str()
		if id = path.Base(href); href == "" {
			return connector.Fail(abi.Unavailable, "bad_answer", "wanted a link to the schema of user type "+jsonval.Quote(typ)+", but Okta's response has none at _links.schema.href")
		}
	}
	g := connector.Get{Endpoint: getUserSchema.Endpoint, Noun: "schema", Type: "Schema"}
	resp := c.SendForObject(hostcall.Request{Endpoint: g.Endpoint, Path: connector.Pairs("schemaId", id)}, nil)
	if !connector.OK(resp) {
		return c.Failure(resp, g.Type, g.Noun)
	}
	return c.EmitObject(resp, nil)
}
