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

-- $.* and $[*] are all values, in the order of json_keys. A path that is made of a key would fail for keys with a quote.
CREATE MACRO steampipe.jsonb_each(j) AS TABLE SELECT unnest(json_keys(j)::VARCHAR[]) AS "key", unnest(json_extract(j, '$.*')::JSON[]) AS "value";
CREATE MACRO steampipe.jsonb_each_text(j) AS TABLE SELECT unnest(json_keys(j)::VARCHAR[]) AS "key", unnest(json_extract_string(j, '$.*')::VARCHAR[]) AS "value";
CREATE MACRO steampipe.jsonb_typeof(j) AS CASE json_type(j) WHEN 'VARCHAR' THEN 'string' WHEN 'BIGINT' THEN 'number' WHEN 'UBIGINT' THEN 'number'
  WHEN 'DOUBLE' THEN 'number' ELSE lower(json_type(j)) END;

-- The member of an object, or the element of an array, where -1 is the last.
CREATE MACRO steampipe.json_step(j, p) AS CASE json_type(j)
  WHEN 'OBJECT' THEN json_extract(j, '$.*')[list_position(json_keys(j), p)]
  WHEN 'ARRAY' THEN CASE WHEN regexp_full_match(p, '\s*[+-]?[0-9]+')
    THEN json_extract(j, '$[*]')[TRY_CAST(trim(p) AS INTEGER) + CASE WHEN TRY_CAST(trim(p) AS INTEGER) < 0 THEN 0 ELSE 1 END] END END;
CREATE MACRO steampipe.json_steps(j, path) AS
  list_reduce(list_transform(path, lambda p: to_json(p)), lambda v, p: steampipe.json_step(v, json_extract_string(p, '$')), j);
CREATE MACRO steampipe.jsonb_extract_path(j, p) AS steampipe.json_steps(j::JSON, [p]),
  (j, p, q) AS steampipe.json_steps(j::JSON, [p, q]),
  (j, p, q, r) AS steampipe.json_steps(j::JSON, [p, q, r]),
  (j, p, q, r, s) AS steampipe.json_steps(j::JSON, [p, q, r, s]),
  (j, p, q, r, s, t) AS steampipe.json_steps(j::JSON, [p, q, r, s, t]);
CREATE MACRO steampipe.jsonb_extract_path_text(j, p) AS json_extract_string(steampipe.json_steps(j::JSON, [p]), '$'),
  (j, p, q) AS json_extract_string(steampipe.json_steps(j::JSON, [p, q]), '$'),
  (j, p, q, r) AS json_extract_string(steampipe.json_steps(j::JSON, [p, q, r]), '$'),
  (j, p, q, r, s) AS json_extract_string(steampipe.json_steps(j::JSON, [p, q, r, s]), '$'),
  (j, p, q, r, s, t) AS json_extract_string(steampipe.json_steps(j::JSON, [p, q, r, s, t]), '$');
CREATE MACRO steampipe.jsonb_agg(x) AS to_json(list(x));
CREATE MACRO steampipe.to_jsonb(x) AS to_json(x);

-- The operators @> and <@. json_contains of DuckDB searches at any depth. Postgres compares from the top. A macro cannot call itself, so there is
-- one for each depth.
CREATE MACRO steampipe.json_parts(j) AS CASE json_type(j)
  WHEN 'OBJECT' THEN list_transform(list_zip(json_keys(j), json_extract(j, '$.*')), lambda e: {'k': e[1], 'v': e[2]})
  ELSE list_transform(json_extract(j, '$[*]'), lambda e: {'k': '', 'v': e}) END;
CREATE MACRO steampipe.json_same(x, y) AS CASE WHEN steampipe.jsonb_typeof(x) <> steampipe.jsonb_typeof(y) THEN false
  WHEN json_type(x) = 'NULL' OR json_extract_string(x, '$') = json_extract_string(y, '$') THEN true
  WHEN steampipe.jsonb_typeof(x) <> 'number' THEN false
  ELSE TRY_CAST(json_extract_string(x, '$') AS DOUBLE) = TRY_CAST(json_extract_string(y, '$') AS DOUBLE) AND
    coalesce(TRY_CAST(json_extract_string(x, '$') AS DECIMAL(38, 10)) = TRY_CAST(json_extract_string(y, '$') AS DECIMAL(38, 10)), true) END;
CREATE MACRO steampipe.json_in_0(a, b) AS CASE WHEN json_type(b) NOT IN ('OBJECT', 'ARRAY') THEN steampipe.json_same(a, b)
  WHEN json_type(a) <> json_type(b) THEN false
  ELSE error('@> and <@ compare objects and arrays that are nested up to 8 deep, and these are deeper: compare a part, such as a -> ''b'' @> c') END;
CREATE MACRO steampipe.json_in_1(a, b) AS CASE WHEN json_type(b) NOT IN ('OBJECT', 'ARRAY') THEN steampipe.json_same(a, b)
  WHEN json_type(a) <> json_type(b) THEN false
  ELSE len(list_filter(steampipe.json_parts(b), lambda y: len(list_filter(steampipe.json_parts(a),
    lambda x: CASE WHEN x.k = y.k THEN steampipe.json_in_0(x.v, y.v) ELSE false END)) = 0)) = 0 END;
CREATE MACRO steampipe.json_in_2(a, b) AS CASE WHEN json_type(b) NOT IN ('OBJECT', 'ARRAY') THEN steampipe.json_same(a, b)
  WHEN json_type(a) <> json_type(b) THEN false
  ELSE len(list_filter(steampipe.json_parts(b), lambda y: len(list_filter(steampipe.json_parts(a),
    lambda x: CASE WHEN x.k = y.k THEN steampipe.json_in_1(x.v, y.v) ELSE false END)) = 0)) = 0 END;
CREATE MACRO steampipe.json_in_3(a, b) AS CASE WHEN json_type(b) NOT IN ('OBJECT', 'ARRAY') THEN steampipe.json_same(a, b)
  WHEN json_type(a) <> json_type(b) THEN false
  ELSE len(list_filter(steampipe.json_parts(b), lambda y: len(list_filter(steampipe.json_parts(a),
    lambda x: CASE WHEN x.k = y.k THEN steampipe.json_in_2(x.v, y.v) ELSE false END)) = 0)) = 0 END;
CREATE MACRO steampipe.json_in_4(a, b) AS CASE WHEN json_type(b) NOT IN ('OBJECT', 'ARRAY') THEN steampipe.json_same(a, b)
  WHEN json_type(a) <> json_type(b) THEN false
  ELSE len(list_filter(steampipe.json_parts(b), lambda y: len(list_filter(steampipe.json_parts(a),
    lambda x: CASE WHEN x.k = y.k THEN steampipe.json_in_3(x.v, y.v) ELSE false END)) = 0)) = 0 END;
CREATE MACRO steampipe.json_in_5(a, b) AS CASE WHEN json_type(b) NOT IN ('OBJECT', 'ARRAY') THEN steampipe.json_same(a, b)
  WHEN json_type(a) <> json_type(b) THEN false
  ELSE len(list_filter(steampipe.json_parts(b), lambda y: len(list_filter(steampipe.json_parts(a),
    lambda x: CASE WHEN x.k = y.k THEN steampipe.json_in_4(x.v, y.v) ELSE false END)) = 0)) = 0 END;
CREATE MACRO steampipe.json_in_6(a, b) AS CASE WHEN json_type(b) NOT IN ('OBJECT', 'ARRAY') THEN steampipe.json_same(a, b)
  WHEN json_type(a) <> json_type(b) THEN false
  ELSE len(list_filter(steampipe.json_parts(b), lambda y: len(list_filter(steampipe.json_parts(a),
    lambda x: CASE WHEN x.k = y.k THEN steampipe.json_in_5(x.v, y.v) ELSE false END)) = 0)) = 0 END;
CREATE MACRO steampipe.json_in_7(a, b) AS CASE WHEN json_type(b) NOT IN ('OBJECT', 'ARRAY') THEN steampipe.json_same(a, b)
  WHEN json_type(a) <> json_type(b) THEN false
  ELSE len(list_filter(steampipe.json_parts(b), lambda y: len(list_filter(steampipe.json_parts(a),
    lambda x: CASE WHEN x.k = y.k THEN steampipe.json_in_6(x.v, y.v) ELSE false END)) = 0)) = 0 END;
CREATE MACRO steampipe.json_in_8(a, b) AS CASE WHEN json_type(b) NOT IN ('OBJECT', 'ARRAY') THEN steampipe.json_same(a, b)
  WHEN json_type(a) <> json_type(b) THEN false
  ELSE len(list_filter(steampipe.json_parts(b), lambda y: len(list_filter(steampipe.json_parts(a),
    lambda x: CASE WHEN x.k = y.k THEN steampipe.json_in_7(x.v, y.v) ELSE false END)) = 0)) = 0 END;
CREATE MACRO steampipe.json_in(a, b) AS list_transform([{'a': a, 'b': b}], lambda s: CASE WHEN s.a IS NULL OR s.b IS NULL THEN NULL
  WHEN json_type(s.a) = 'ARRAY' AND json_type(s.b) NOT IN ('OBJECT', 'ARRAY')
    THEN len(list_filter(json_extract(s.a, '$[*]'), lambda x: steampipe.json_same(x, s.b))) > 0
  ELSE steampipe.json_in_8(s.a, s.b) END)[1];
CREATE MACRO steampipe."@>"(a JSON, b JSON) AS steampipe.json_in(a, b);
CREATE MACRO steampipe."<@"(a JSON, b JSON) AS steampipe.json_in(b, a);

-- to_char reads a format as Postgres does: the longest name first, FM before it, TH after it, text in double quotes, and the rest as it is.
CREATE MACRO steampipe.to_char_names() AS 'A\.D\.|A\.M\.|AD|AM|B\.C\.|BC|CC|DAY|DDD|DD|DY|Day|Dy|D|FF[1-6]|HH24|HH12|HH|IDDD|ID|IW|IYYY|IYY|IY|I|J|MI|MM|' ||
  'MONTH|MON|MS|Month|Mon|OF|P\.M\.|PM|Q|RM|SSSSS|SSSS|SS|TZH|TZM|TZ|US|WW|W|Y,YYY|YYYY|YYY|YY|Y|a\.d\.|a\.m\.|ad|' ||
  'am|b\.c\.|bc|cc|day|ddd|dd|dy|d|ff[1-6]|hh24|hh12|hh|iddd|id|iw|iyyy|iyy|iy|i|j|mi|mm|month|mon|ms|of|p\.m\.|' ||
  'pm|q|rm|sssss|ssss|ss|tzh|tzm|tz|us|ww|w|y,yyy|yyyy|yyy|yy|y';
CREATE MACRO steampipe.to_char_tokens(f) AS list_transform(
  regexp_extract_all(f, '(?:FM|fm)?(?:' || steampipe.to_char_names() || ')(?:TH|th|SP)?|FM|fm|TM|tm|FX|fx|"(?s:\\.|[^"])*"?|\\"|(?s:.)'),
  lambda w: regexp_extract(w, '^(?:(FM|fm)?(' || steampipe.to_char_names() || ')(TH|th|SP)?|((?s:.*)))$', ['fm', 'k', 'th', 'text']));
CREATE MACRO steampipe.to_char_number(t, k) AS CASE upper(k) WHEN 'YYYY' THEN strftime(t, '%Y') WHEN 'YYY' THEN right(strftime(t, '%Y'), 3)
  WHEN 'YY' THEN strftime(t, '%y') WHEN 'Y' THEN right(strftime(t, '%Y'), 1) WHEN 'IYYY' THEN strftime(t, '%G') WHEN 'IYY' THEN right(strftime(t, '%G'), 3)
  WHEN 'IY' THEN right(strftime(t, '%G'), 2) WHEN 'I' THEN right(strftime(t, '%G'), 1) WHEN 'CC' THEN lpad(((year(t) + 99) // 100)::VARCHAR, 2, '0')
  WHEN 'Q' THEN quarter(t)::VARCHAR WHEN 'MM' THEN strftime(t, '%m') WHEN 'WW' THEN lpad(((dayofyear(t) + 6) // 7)::VARCHAR, 2, '0')
  WHEN 'IW' THEN strftime(t, '%V') WHEN 'W' THEN ((day(t) + 6) // 7)::VARCHAR WHEN 'DDD' THEN strftime(t, '%j') WHEN 'DD' THEN strftime(t, '%d')
  WHEN 'D' THEN (dayofweek(t) + 1)::VARCHAR WHEN 'ID' THEN isodow(t)::VARCHAR WHEN 'HH24' THEN strftime(t, '%H') WHEN 'HH12' THEN strftime(t, '%I')
  WHEN 'HH' THEN strftime(t, '%I') WHEN 'MI' THEN strftime(t, '%M') WHEN 'SS' THEN strftime(t, '%S')
  WHEN 'SSSS' THEN (strftime(t, '%H')::INTEGER * 3600 + strftime(t, '%M')::INTEGER * 60 + strftime(t, '%S')::INTEGER)::VARCHAR
  WHEN 'SSSSS' THEN (strftime(t, '%H')::INTEGER * 3600 + strftime(t, '%M')::INTEGER * 60 + strftime(t, '%S')::INTEGER)::VARCHAR END;
CREATE MACRO steampipe.to_char_case(x, k) AS CASE WHEN k = lower(k) THEN lower(x) WHEN k = upper(k) THEN upper(x) ELSE x END;
CREATE MACRO steampipe.to_char_word(t, k, fm) AS CASE
  WHEN k IN ('Month', 'MONTH', 'month', 'Day', 'DAY', 'day') THEN steampipe.to_char_case(rpad(CASE upper(k) WHEN 'DAY' THEN strftime(t, '%A')
    ELSE strftime(t, '%B') END, (CASE WHEN fm = '' THEN 9 ELSE length(CASE upper(k) WHEN 'DAY' THEN strftime(t, '%A') ELSE strftime(t, '%B') END) END)::INTEGER, ' '), k)
  ELSE CASE upper(k) WHEN 'MON' THEN steampipe.to_char_case(strftime(t, '%b'), k) WHEN 'DY' THEN steampipe.to_char_case(strftime(t, '%a'), k)
    WHEN 'AM' THEN steampipe.to_char_case(strftime(t, '%p'), k) WHEN 'PM' THEN steampipe.to_char_case(strftime(t, '%p'), k)
    WHEN 'A.M.' THEN steampipe.to_char_case(left(strftime(t, '%p'), 1) || '.M.', k)
    WHEN 'P.M.' THEN steampipe.to_char_case(left(strftime(t, '%p'), 1) || '.M.', k)
    WHEN 'AD' THEN steampipe.to_char_case('AD', k) WHEN 'BC' THEN steampipe.to_char_case('AD', k)
    WHEN 'A.D.' THEN steampipe.to_char_case('A.D.', k) WHEN 'B.C.' THEN steampipe.to_char_case('A.D.', k)
    WHEN 'TZ' THEN steampipe.to_char_case(CASE typeof(t) WHEN 'DATE' THEN 'UTC' ELSE strftime(t, '%Z') END, k)
    WHEN 'OF' THEN strftime(t, '%z') WHEN 'TZH' THEN left(strftime(t, '%z'), 3) WHEN 'TZM' THEN lpad(strftime(t, '%z')[5:], 2, '0')
    WHEN 'Y,YYY' THEN (year(t) // 1000)::VARCHAR || ',' || right(strftime(t, '%Y'), 3)
    WHEN 'MS' THEN strftime(t, '%g') WHEN 'US' THEN strftime(t, '%f')
    ELSE CASE WHEN k[1:2] IN ('FF', 'ff') THEN left(strftime(t, '%f'), k[3]::INTEGER) END END END;
CREATE MACRO steampipe.to_char_th(x, th) AS x || CASE th WHEN '' THEN '' ELSE steampipe.to_char_case(
  CASE WHEN length(x) > 1 AND x[-2] = '1' THEN 'th' WHEN x[-1] = '1' THEN 'st' WHEN x[-1] = '2' THEN 'nd' WHEN x[-1] = '3' THEN 'rd' ELSE 'th' END, th) END;
CREATE MACRO steampipe.to_char_part(t, m) AS CASE
  WHEN m.k = '' AND m."text" IN ('FM', 'fm', 'TM', 'tm', 'FX', 'fx') THEN error('to_char cannot translate ' || m."text" || ' here: put text in double quotes')
  WHEN m.k = '' AND m."text"[1] = '"' THEN regexp_replace(regexp_replace(m."text"[2:], '([^\\]|^)"$', '\1'), '(?s)\\(.)', '\1', 'g')
  WHEN m.k = '' AND m."text" = '\"' THEN '"'
  WHEN m.k = '' THEN m."text"
  WHEN m.th IN ('', 'TH', 'th') AND steampipe.to_char_number(t, m.k) IS NOT NULL THEN steampipe.to_char_th(
    CASE m.fm WHEN '' THEN steampipe.to_char_number(t, m.k) ELSE regexp_replace(steampipe.to_char_number(t, m.k), '^0+(.)', '\1') END, m.th)
  ELSE coalesce(CASE m.th WHEN '' THEN steampipe.to_char_word(t, m.k, m.fm) END,
    error('to_char cannot translate ' || m.fm || m.k || m.th || ' of the format: remove it, or put text in double quotes')) END;
CREATE MACRO steampipe.to_char(t, f) AS list_transform([{'t': t, 'f': f}], lambda s: CASE
  WHEN s.t IS NULL OR s.f IS NULL OR s.f = '' OR NOT isfinite(s.t) THEN NULL
  WHEN year(s.t) < 1 THEN error('to_char cannot translate years before 1')
  ELSE array_to_string(list_transform(steampipe.to_char_tokens(s.f), lambda m: steampipe.to_char_part(s.t, m)), '') END)[1];

-- An object whose members have their names as they are, and with a capital as well.
CREATE MACRO steampipe.both_cases(j) AS CASE json_type(j) WHEN 'OBJECT' THEN map_from_entries(list_concat(list_zip(json_keys(j)::VARCHAR[], json_extract(j, '$.*')::JSON[]), list_transform(
  list_filter(list_zip(json_keys(j)::VARCHAR[], json_extract(j, '$.*')::JSON[]), lambda e: NOT list_contains(json_keys(j), upper(e[1][1]) || e[1][2:])),
  lambda e: (upper(e[1][1]) || e[1][2:], e[2]))))::JSON ELSE j END;
