-- The Okta tables of Steampipe by the names and columns that its users know, over the views of this connector, and the functions of
-- Postgres that their queries use. host/sql.Schema says what the templates mean.

CREATE VIEW steampipe.okta_user AS
SELECT login, id, email, created, activated, last_login, last_updated, password_changed, self_link, status, status_changed,
  transitioning_to_status, profile, "type",
  {{if has "list_user_groups"}}to_json(list_transform(connector_scalar(connection, 'list_user_groups', json_object('user', id))::JSON[],
    lambda g: json_object('id', g->'id', 'name', g->'profile'->'name', 'type', g->'type'))){{else}}NULL::JSON{{end}} AS user_groups,
  connector_scalar(connection, 'list_roles', json_object('user', id)) AS assigned_roles,
  "filter", login AS title, domain, connection AS sp_connection_name
FROM {{view "users" "filter"}};

CREATE VIEW steampipe.okta_user_type AS
SELECT "name", id, display_name, created, record->>'createdBy' AS created_by, (record->>'default')::BOOLEAN AS "default", description, last_updated,
  record->>'lastUpdatedBy' AS last_updated_by, "name" AS title, domain, connection AS sp_connection_name
FROM {{view "user_types"}};

CREATE VIEW steampipe.okta_group AS
SELECT "name", id, description, created, last_membership_updated, last_updated, "type", profile, object_class,
  {{if has "list_group_members"}}to_json(list_transform(connector_scalar(connection, 'list_group_members', json_object('group', id))::JSON[],
    lambda u: json_object('id', u->'id', 'login', u->'profile'->'login', 'email', u->'profile'->'email'))){{else}}NULL::JSON{{end}} AS group_members,
  "filter", "name" AS title, domain, connection AS sp_connection_name
FROM {{view "groups" "filter"}};

CREATE VIEW steampipe.okta_group_rule AS
SELECT id, "name", status, created, last_updated, record->'conditions' AS conditions, record->'actions' AS actions, "name" AS title, domain,
  connection AS sp_connection_name
FROM {{view "group_rules"}};

CREATE VIEW steampipe.okta_group_owner AS
SELECT group_id, record->>'displayName' AS display_name, record->>'id' AS id, (record->>'lastUpdated')::TIMESTAMPTZ AS last_updated,
  record->>'originId' AS origin_id, record->>'originType' AS origin_type, record->>'type' AS "type", (record->>'resolved')::BOOLEAN AS resolved,
  NULL::JSON AS additional_properties, record->>'displayName' AS title, domain, connection AS sp_connection_name
FROM {{view "group_owners"}};

CREATE VIEW steampipe.okta_application AS
SELECT "name", id, label, created, last_updated, status, sign_on_mode, settings, visibility, credentials, accessibility, "filter", "name" AS title,
  domain, connection AS sp_connection_name
FROM {{view "applications" "filter"}};

CREATE VIEW steampipe.okta_app_assigned_user AS
SELECT id, user_name, application_id AS app_id, created, status, email, external_id, first_name, last_name, last_sync, last_updated,
  password_changed, scope, status_changed, sync_state, links, profile, user_name AS title, domain, connection AS sp_connection_name
FROM {{view "application_users"}};

CREATE VIEW steampipe.okta_app_assigned_group AS
SELECT record->>'id' AS id, application_id AS app_id, (record->>'lastUpdated')::TIMESTAMPTZ AS last_updated, (record->>'priority')::BIGINT AS priority,
  record->'_links' AS links, record->'profile' AS profile, record->>'id' AS title, domain, connection AS sp_connection_name
FROM {{view "application_groups"}};

CREATE VIEW steampipe.okta_auth_server AS
SELECT "name", id, created, description, issuer, issuer_mode, last_updated, status, audiences, credentials, "name" AS title, domain,
  connection AS sp_connection_name
FROM {{view "authorization_servers"}};

CREATE VIEW steampipe.okta_authenticator AS
SELECT "name", id, "type", "key", status, created, last_updated, settings, provider, links, "name" AS title, domain, connection AS sp_connection_name
FROM {{view "authenticators"}};

-- Steampipe writes the names of members in JSON as Go does: DiskEncryptionType for Okta's diskEncryptionType. Here profile and embedded
-- have both.
CREATE VIEW steampipe.okta_device AS
SELECT display_name, id, created, last_updated, resource_id, resource_type, status, platform, model, os_version, serial_number, sid, udid, imei,
  steampipe.both_cases(profile) AS profile, resource_display_name, links,
  json_merge_patch(embedded, json_object('Users', list_transform((embedded->'users')::JSON[],
    lambda u: json_merge_patch(steampipe.both_cases(u), json_object('User', steampipe.both_cases(u->'user')))))) AS embedded,
  NULL::JSON AS additional_properties, display_name AS title, domain, connection AS sp_connection_name
FROM {{view "devices" `{"expand":"user"}`}};

CREATE VIEW steampipe.okta_factor AS
SELECT id, user_id, connector_scalar(connection, 'lookup_user', json_object('user', user_id))->'profile'->>'login' AS user_name, factor_type, created,
  last_updated, provider, status, profile, embedded, verify, id AS title, domain, connection AS sp_connection_name
FROM {{view "user_factors"}};

-- The locations of an enhanced zone are an object. Here they are those that it includes.
CREATE VIEW steampipe.okta_network_zone AS
SELECT "name", id, created, last_updated, proxy_type, status, system, "type", "usage", asns, gateways,
  CASE json_type(locations) WHEN 'OBJECT' THEN locations->'include' ELSE locations END AS locations, proxies, "name" AS title, domain,
  connection AS sp_connection_name
FROM {{view "zones"}};

CREATE VIEW steampipe.okta_trusted_origin AS
SELECT "name", id, created, record->>'createdBy' AS created_by, last_updated, record->>'lastUpdatedBy' AS last_updated_by, origin, status,
  record->'scopes' AS scopes, "name" AS title, domain, connection AS sp_connection_name
FROM {{view "trusted_origins"}};

CREATE VIEW steampipe.okta_authentication_policy AS
SELECT "name", id, description, created, last_updated, priority, status, system, conditions,
  {{if has "list_policy_rules"}}connector_scalar(connection, 'list_policy_rules', json_object('policy', id)){{else}}connector_scalar(connection, 'get_policy', json_object('policy', id, 'include_rules', true))->'rules'{{end}} AS rules, {{if has "list_policy_mappings"}}connector_try(connection, 'list_policy_mappings', json_object('policy', id)){{else}}NULL::JSON{{end}} AS resource_mapping, "name" AS title,
  domain, connection AS sp_connection_name
FROM {{table "list_policies" `{"type":"ACCESS_POLICY"}`}};

CREATE VIEW steampipe.okta_idp_discovery_policy AS
SELECT "name", id, description, created, last_updated, priority, status, system, conditions,
  {{if has "list_policy_rules"}}connector_scalar(connection, 'list_policy_rules', json_object('policy', id)){{else}}connector_scalar(connection, 'get_policy', json_object('policy', id, 'include_rules', true))->'rules'{{end}} AS rules, {{if has "list_policy_mappings"}}connector_try(connection, 'list_policy_mappings', json_object('policy', id)){{else}}NULL::JSON{{end}} AS resource_mapping, "name" AS title,
  domain, connection AS sp_connection_name
FROM {{table "list_policies" `{"type":"IDP_DISCOVERY"}`}};

CREATE VIEW steampipe.okta_mfa_policy AS
SELECT "name", id, description, created, last_updated, priority, status, system, conditions,
  {{if has "list_policy_rules"}}connector_scalar(connection, 'list_policy_rules', json_object('policy', id)){{else}}connector_scalar(connection, 'get_policy', json_object('policy', id, 'include_rules', true))->'rules'{{end}} AS rules, settings, {{if has "list_policy_mappings"}}connector_try(connection, 'list_policy_mappings', json_object('policy', id)){{else}}NULL::JSON{{end}} AS resource_mapping,
  "name" AS title, domain, connection AS sp_connection_name
FROM {{table "list_policies" `{"type":"MFA_ENROLL"}`}};

CREATE VIEW steampipe.okta_password_policy AS
SELECT "name", id, description, created, last_updated, priority, status, system, conditions,
  {{if has "list_policy_rules"}}connector_scalar(connection, 'list_policy_rules', json_object('policy', id)){{else}}connector_scalar(connection, 'get_policy', json_object('policy', id, 'include_rules', true))->'rules'{{end}} AS rules, settings, {{if has "list_policy_mappings"}}connector_try(connection, 'list_policy_mappings', json_object('policy', id)){{else}}NULL::JSON{{end}} AS resource_mapping,
  "name" AS title, domain, connection AS sp_connection_name
FROM {{table "list_policies" `{"type":"PASSWORD"}`}};

CREATE VIEW steampipe.okta_signon_policy AS
SELECT "name", id, description, created, last_updated, priority, status, system, conditions,
  {{if has "list_policy_rules"}}connector_scalar(connection, 'list_policy_rules', json_object('policy', id)){{else}}connector_scalar(connection, 'get_policy', json_object('policy', id, 'include_rules', true))->'rules'{{end}} AS rules, {{if has "list_policy_mappings"}}connector_try(connection, 'list_policy_mappings', json_object('policy', id)){{else}}NULL::JSON{{end}} AS resource_mapping, "name" AS title,
  domain, connection AS sp_connection_name
FROM {{table "list_policies" `{"type":"OKTA_SIGN_ON"}`}};
