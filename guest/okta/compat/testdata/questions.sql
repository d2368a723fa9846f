-- What the documentation of Steampipe's Okta plugin shows how to ask, in our own words: the questions of its 19 tables, with a query in
-- its dialect for each. {user} and the like stand for an id of the org. "may be none" says that an org need not have such a row.

-- okta_app_assigned_group: To which groups is each application given?
SELECT app_id, id AS group_of_app, priority, last_updated FROM okta_app_assigned_group;
-- okta_app_assigned_group: Which groups have no application?
SELECT g.name, g.description, jsonb_pretty(g.group_members) AS members FROM okta_group g FULL OUTER JOIN okta_app_assigned_group a ON a.id = g.id WHERE a.id IS NULL OR g.id IS NULL;
-- okta_app_assigned_group: Which groups does each application have, with their names and members?
SELECT app.id, app.name, app.created, app.status, g.id AS gid, g.name AS gname, g.description, jsonb_pretty(g.group_members) AS members FROM okta_application AS app INNER JOIN okta_app_assigned_group AS a ON a.app_id = app.id INNER JOIN okta_group AS g ON g.id = a.id;
-- okta_app_assigned_user: Who has which application?
SELECT app_id, id AS uid, user_name, status, created FROM okta_app_assigned_user;
-- okta_app_assigned_user: Who has no application?
SELECT u.login, u.id, u.status, u.created FROM okta_user u FULL OUTER JOIN okta_app_assigned_user a ON a.id = u.id WHERE a.id IS NULL OR u.id IS NULL;
-- okta_app_assigned_user: Which users does each application have, with their logins?
SELECT app.label, app.name, app.id AS aid, app.created, app.status, u.id AS uid, u.login, u.created AS since, u.status AS state FROM okta_application AS app INNER JOIN okta_app_assigned_user AS a ON a.app_id = app.id INNER JOIN okta_user AS u ON u.id = a.id;
-- okta_application: Which applications are there?
SELECT label, name, id, status, sign_on_mode, created FROM okta_application;
-- okta_application: Which applications use SAML 2.0? (may be none)
SELECT label, name, id, status, created FROM okta_application WHERE sign_on_mode = 'SAML_2_0';
-- okta_application: Which applications does one user have?
SELECT label, id, name, status, sign_on_mode FROM okta_application AS a WHERE filter = 'user.id eq "{appuser}"';
-- okta_application: Which applications does one group have? (may be none)
SELECT label, id, name, status, sign_on_mode FROM okta_application WHERE filter = 'group.id eq "{appgroup}"';
-- okta_auth_server: Which authorization servers are there?
SELECT id, name, status, audiences, created, last_updated FROM okta_auth_server;
-- okta_auth_server: Whose manual signing keys are older than 90 days? (may be none)
SELECT name, id, status, audiences, credentials -> 'signing' ->> 'lastRotated' AS rotated FROM okta_auth_server WHERE credentials -> 'signing' ->> 'rotationMode' = 'MANUAL' AND CAST(credentials -> 'signing' ->> 'lastRotated' AS date) < current_timestamp - interval '90 days';
-- okta_auth_server: Which authorization servers are inactive? (may be none)
SELECT name, id, audiences, last_updated FROM okta_auth_server WHERE status = 'INACTIVE';
-- okta_authentication_policy: Which authentication policies are there, in their order?
SELECT priority, name, id, system, status, created FROM okta_authentication_policy ORDER BY priority;
-- okta_authentication_policy: Which of them are inactive? (may be none)
SELECT priority, name, id, system, created FROM okta_authentication_policy WHERE status = 'INACTIVE';
-- okta_authentication_policy: What does each of their rules do, and when? (may be none)
SELECT p.name, p.id, rule -> 'name' AS called, rule -> 'status' AS state, rule -> 'system' AS own, rule -> 'priority' AS place, jsonb_pretty(rule -> 'conditions') AS cond, jsonb_pretty(rule -> 'actions') AS act FROM okta_authentication_policy p, jsonb_array_elements(p.rules) AS rule;
-- okta_authenticator: Which authenticators are there?
SELECT key, type, name, id, status, created FROM okta_authenticator;
-- okta_authenticator: Which authenticators are inactive? (may be none)
SELECT key, type, name, id, last_updated FROM okta_authenticator WHERE status = 'INACTIVE';
-- okta_authenticator: Which authenticators changed in the last 30 days? (may be none)
SELECT key, type, name, last_updated FROM okta_authenticator WHERE last_updated > now() - interval '30 days' ORDER BY last_updated DESC;
-- okta_authenticator: How is one authenticator set up?
SELECT key, name, status, settings, provider, created FROM okta_authenticator WHERE id = '{authenticator}';
-- okta_authenticator: How are they all set up?
SELECT name, key, type, settings, provider FROM okta_authenticator ORDER BY name;
-- okta_device: Which devices are there?
SELECT id, display_name, resource_type, status, created, last_updated FROM okta_device;
-- okta_device: What is one device?
SELECT display_name, resource_type, status, created FROM okta_device WHERE id = '{device}';
-- okta_device: Whose is each device, and how is its screen locked?
SELECT dev.display_name, dev.status, owner ->> 'Created' AS since, owner ->> 'ManagementStatus' AS managed, owner ->> 'ScreenLockType' AS lock, owner -> 'User' AS person FROM okta_device AS dev, jsonb_array_elements(dev.embedded -> 'Users') AS owner;
-- okta_device: Which system, serial number and encryption does each device have?
SELECT id, display_name, platform, os_version, model, serial_number, imei, udid, sid, profile ->> 'DiskEncryptionType' AS encryption, profile ->> 'Registered' AS registered, profile ->> 'SecureHardwarePresent' AS secure, profile ->> 'Manufacturer' AS maker, profile ->> 'IntegrityJailbreak' AS jailbreak, profile ->> 'Meid' AS meid, profile ->> 'TpmPublicKeyHash' AS tpm FROM okta_device;
-- okta_factor: Which factors does everybody have?
SELECT user_id, factor_type, id, status, created FROM okta_factor;
-- okta_factor: Which factors wait for their activation? (may be none)
SELECT user_id, factor_type, id, created FROM okta_factor WHERE status = 'PENDING_ACTIVATION';
-- okta_factor: Which factors does Okta itself provide?
SELECT user_id, factor_type, id, provider, status, created FROM okta_factor WHERE provider = 'OKTA';
-- okta_factor: What is one factor of a user?
SELECT factor_type, status, created FROM okta_factor WHERE user_id = '{factoruser}' AND id = '{factor}';
-- okta_group: Which groups are there, with their profiles?
SELECT id, name, type, description, jsonb_pretty(profile) AS attributes FROM okta_group;
-- okta_group: In which groups did members not change for 30 days? (may be none)
SELECT name, type, id, age(current_timestamp, last_membership_updated) AS unchanged_for FROM okta_group WHERE last_membership_updated < current_timestamp - interval '30 days';
-- okta_group: Which groups changed since a day, in profile or members?
SELECT name, type, id, last_membership_updated, last_updated FROM okta_group WHERE filter = 'type eq "OKTA_GROUP" and (lastMembershipUpdated gt "2021-01-01T00:00:00.000Z" or lastUpdated gt "2021-01-01T00:00:00.000Z")';
-- okta_group: Who is in each group?
SELECT id, name, jsonb_pretty(group_members) AS members FROM okta_group;
-- okta_group_owner: Who owns groups?
SELECT group_id, display_name, id, type, origin_type, last_updated FROM okta_group_owner;
-- okta_group_owner: Who owns the groups of one org?
SELECT group_id, display_name, id, domain FROM okta_group_owner WHERE domain = '{domain}';
-- okta_group_owner: Which owners come from an application? (may be none)
SELECT group_id, display_name, id, origin_id, resolved FROM okta_group_owner WHERE origin_type = 'APPLICATION';
-- okta_group_owner: Which owners changed in the last 30 days? (may be none)
SELECT group_id, display_name, id, last_updated FROM okta_group_owner WHERE last_updated > current_timestamp - interval '30 days';
-- okta_group_rule: Which group rules are there?
SELECT id, name, status, jsonb_pretty(conditions) AS cond, actions, last_updated FROM okta_group_rule;
-- okta_group_rule: Which of them did not change for 30 days? (may be none)
SELECT id, name, status, last_updated FROM okta_group_rule WHERE last_updated < current_timestamp - interval '30 days';
-- okta_group_rule: Which of them are active? (may be none)
SELECT id, name, jsonb_pretty(conditions) AS cond FROM okta_group_rule WHERE status = 'ACTIVE';
-- okta_group_rule: Which of them put people into one group?
WITH targets AS (SELECT id, name, status, jsonb_array_elements_text(actions -> 'assignUserToGroups' -> 'groupIds') AS target FROM okta_group_rule) SELECT id, name, status FROM targets WHERE target = '{rulegroup}';
-- okta_idp_discovery_policy: Which identity provider policies are there, in their order?
SELECT priority, name, id, status, system, created FROM okta_idp_discovery_policy ORDER BY priority;
-- okta_idp_discovery_policy: Which of them are Okta's own?
SELECT priority, name, id, status, created FROM okta_idp_discovery_policy WHERE system;
-- okta_idp_discovery_policy: Which of them are inactive? (may be none)
SELECT priority, name, id, created FROM okta_idp_discovery_policy WHERE status = 'INACTIVE';
-- okta_idp_discovery_policy: What does each of their rules do, and when? (may be none)
SELECT p.name, p.id, rule -> 'name' AS called, rule -> 'status' AS state, rule -> 'system' AS own, rule -> 'priority' AS place, jsonb_pretty(rule -> 'conditions') AS cond, jsonb_pretty(rule -> 'actions') AS act FROM okta_idp_discovery_policy p, jsonb_array_elements(p.rules) AS rule;
-- okta_mfa_policy: Which enrollment policies are there, in their order?
SELECT priority, name, id, status, system, created FROM okta_mfa_policy ORDER BY priority;
-- okta_mfa_policy: Which of them are Okta's own?
SELECT priority, name, id, status, created FROM okta_mfa_policy WHERE system;
-- okta_mfa_policy: Which of them are inactive? (may be none)
SELECT priority, name, id, created FROM okta_mfa_policy WHERE status = 'INACTIVE';
-- okta_mfa_policy: Which of them comes first?
SELECT name, id, status, system, created FROM okta_mfa_policy WHERE priority = 1;
-- okta_mfa_policy: What does each of their rules do, and when? (may be none)
SELECT p.name, p.id, rule -> 'name' AS called, rule -> 'status' AS state, rule -> 'system' AS own, rule -> 'priority' AS place, jsonb_pretty(rule -> 'conditions') AS cond, jsonb_pretty(rule -> 'actions') AS act FROM okta_mfa_policy p, jsonb_array_elements(p.rules) AS rule;
-- okta_network_zone: Which network zones are there?
SELECT id, name, usage, proxy_type, locations, system, status, created FROM okta_network_zone;
-- okta_network_zone: Which zones are those of Tor? (may be none)
SELECT id, name, proxy_type, status, system, created FROM okta_network_zone WHERE proxy_type = 'TorAnonymizer';
-- okta_network_zone: Which countries and regions does each zone have? (may be none)
SELECT id, name, place -> 'region' AS region, place -> 'country' AS country FROM okta_network_zone, jsonb_array_elements(locations) AS place;
-- okta_network_zone: Which zones are Okta's own?
SELECT id, name, status, created FROM okta_network_zone WHERE system;
-- okta_network_zone: Which zones are active?
SELECT id, name, proxy_type, system, created FROM okta_network_zone WHERE status = 'ACTIVE';
-- okta_password_policy: Which password policies are there, in their order?
SELECT priority, name, id, status, system, created FROM okta_password_policy ORDER BY priority;
-- okta_password_policy: Which of them are Okta's own?
SELECT priority, name, id, status, created FROM okta_password_policy WHERE system;
-- okta_password_policy: Which of them are inactive? (may be none)
SELECT priority, name, id, created FROM okta_password_policy WHERE status = 'INACTIVE';
-- okta_password_policy: What do they ask of a password, and how is one recovered?
SELECT id, name, jsonb_pretty(settings -> 'password' -> 'lockout') AS lockout, jsonb_pretty(settings -> 'password' -> 'complexity') AS complexity, jsonb_pretty(settings -> 'password' -> 'age') AS age, jsonb_pretty(settings -> 'delegation' -> 'options') AS delegation, jsonb_pretty(settings -> 'recovery' -> 'factors') AS recovery FROM okta_password_policy;
-- okta_password_policy: What does each of their rules do, and when? (may be none)
SELECT p.name, p.id, rule -> 'name' AS called, rule -> 'status' AS state, rule -> 'system' AS own, rule -> 'priority' AS place, jsonb_pretty(rule -> 'conditions') AS cond, jsonb_pretty(rule -> 'actions') AS act FROM okta_password_policy p, jsonb_array_elements(p.rules) AS rule;
-- okta_signon_policy: Which sign-on policies are there, in their order?
SELECT priority, name, id, status, system, created FROM okta_signon_policy ORDER BY priority;
-- okta_signon_policy: Which of them are Okta's own?
SELECT priority, name, id, status, created FROM okta_signon_policy WHERE system;
-- okta_signon_policy: Which of them are inactive? (may be none)
SELECT priority, name, id, created FROM okta_signon_policy WHERE status = 'INACTIVE';
-- okta_signon_policy: What does each of their rules do, and when?
SELECT p.name, p.id, rule -> 'name' AS called, rule -> 'status' AS state, rule -> 'system' AS own, rule -> 'priority' AS place, jsonb_pretty(rule -> 'conditions') AS cond, jsonb_pretty(rule -> 'actions') AS act FROM okta_signon_policy p, jsonb_array_elements(p.rules) AS rule;
-- okta_trusted_origin: Which origins are trusted?
SELECT id, name, origin, scopes, status, created, last_updated FROM okta_trusted_origin;
-- okta_trusted_origin: Which of them did not change for 30 days? (may be none)
SELECT id, name, origin, scopes, status, last_updated FROM okta_trusted_origin WHERE last_updated < current_timestamp - interval '30 days';
-- okta_trusted_origin: Which of them are for CORS? (may be none)
SELECT id, name, origin, status, last_updated FROM okta_trusted_origin WHERE scopes @> '[{"type":"CORS"}]'::jsonb;
-- okta_user: Which users are there?
SELECT login, id, email, status, type, created FROM okta_user;
-- okta_user: Which profile, groups and roles does each user have?
SELECT id, login, jsonb_pretty(assigned_roles) AS roles, jsonb_pretty(user_groups) AS groups, jsonb_pretty(profile) AS attributes FROM okta_user;
-- okta_user: Who is a super administrator?
SELECT login, id, jsonb_pretty(assigned_roles) AS roles FROM okta_user WHERE assigned_roles @> '[{"type":"SUPER_ADMIN"}]'::jsonb;
-- okta_user: Who did not sign in for 30 days? (may be none)
SELECT login, id, last_login FROM okta_user WHERE last_login < current_timestamp - interval '30 days';
-- okta_user: Which active users did not change since a day? (may be none)
SELECT login, id, status, created FROM okta_user WHERE filter = 'status eq "ACTIVE" and lastUpdated lt "2021-08-05T00:00:00.000Z"';
-- okta_user_type: Which user types are there?
SELECT id, name, "default", description, created_by, created FROM okta_user_type;
