-- What queries for Postgres expect of JSON and times, and DuckDB has under other names.

CREATE TYPE steampipe.jsonb AS JSON;
CREATE MACRO steampipe.jsonb_pretty(j) AS json_pretty(j);
CREATE MACRO steampipe.jsonb_array_elements(j) AS TABLE SELECT unnest(j::JSON[]) AS "value";
CREATE MACRO steampipe.jsonb_array_elements(j) AS unnest(j::JSON[]);
CREATE MACRO steampipe.jsonb_array_elements_text(j) AS TABLE SELECT unnest(json_extract_string(j, '$[*]')) AS "value";
CREATE MACRO steampipe.jsonb_array_elements_text(j) AS unnest(json_extract_string(j, '$[*]'));
CREATE MACRO steampipe.jsonb_array_length(j) AS json_array_length(j)::BIGINT;
CREATE MACRO steampipe.jsonb_object_keys(j) AS TABLE SELECT unnest(json_keys(j)) AS "value";
CREATE MACRO steampipe.jsonb_object_keys(j) AS unnest(json_keys(j));
CREATE MACRO steampipe.jsonb_each(j) AS TABLE
  SELECT k AS "key", json_extract(j, '$."' || k || '"') AS "value" FROM (SELECT unnest(json_keys(j)) AS k);
CREATE MACRO steampipe.jsonb_each_text(j) AS TABLE
  SELECT k AS "key", json_extract_string(j, '$."' || k || '"') AS "value" FROM (SELECT unnest(json_keys(j)) AS k);
CREATE MACRO steampipe.jsonb_typeof(j) AS CASE json_type(j) WHEN 'VARCHAR' THEN 'string' WHEN 'BIGINT' THEN 'number' WHEN 'UBIGINT' THEN 'number'
  WHEN 'DOUBLE' THEN 'number' ELSE lower(json_type(j)) END;
CREATE MACRO steampipe.jsonb_extract_path(j, p) AS json_extract(j, '$."' || p || '"'),
  (j, p, q) AS json_extract(j, '$."' || p || '"."' || q || '"');
CREATE MACRO steampipe.jsonb_extract_path_text(j, p) AS json_extract_string(j, '$."' || p || '"'),
  (j, p, q) AS json_extract_string(j, '$."' || p || '"."' || q || '"');
CREATE MACRO steampipe.jsonb_agg(x) AS to_json(list(x));
CREATE MACRO steampipe.to_jsonb(x) AS to_json(x);
CREATE MACRO steampipe."@>"(a JSON, b JSON) AS json_contains(a, b);
CREATE MACRO steampipe."<@"(a JSON, b JSON) AS json_contains(b, a);
CREATE MACRO steampipe.to_char(t, f) AS strftime(t, replace(replace(replace(replace(replace(replace(f, 'YYYY', '%Y'), 'MM', '%m'), 'DD', '%d'), 'HH24', '%H'),
  'MI', '%M'), 'SS', '%S'));

-- An object whose members have their names as they are, and with a capital as well.
CREATE MACRO steampipe.both_cases(j) AS json_merge_patch(j,
  map_from_entries(list_transform(json_keys(j), lambda k: (upper(k[1]) || k[2:], json_extract(j, '$."' || k || '"'))))::JSON);
