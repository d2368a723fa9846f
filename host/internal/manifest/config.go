package manifest

import (
	"reflect"
	"strings"
	"time"
)

// CheckConfig validates a connection's configuration, a struct with the fields' names in yaml tags, against the
// config_schema. A zero field is not set. Durations are whole seconds in a schema; a part of one counts as one. With
// ownReferences, the program resolves references to secrets itself, and the schema of token_secret_ref does not apply.
func (m *Manifest) CheckConfig(config any, ownReferences bool) error {
	fields, _ := document(reflect.ValueOf(config)).(map[string]any)
	if _, set := fields[tokenRef]; set && ownReferences {
		fields[tokenRef] = "env:NAME"
	}
	if oauth, _ := fields["oauth"].(map[string]any); oauth[keyRef] != nil && ownReferences {
		oauth[keyRef] = "env:NAME"
	}
	return m.config.Validate(fields)
}

const (
	tokenRef = "token_secret_ref"
	keyRef   = "private_key_ref" // in oauth
)

// document returns a value as JSON values.
func document(v reflect.Value) any {
	if d, ok := v.Interface().(time.Duration); ok {
		return int64((d + time.Second - 1) / time.Second)
	}
	switch v.Kind() {
	case reflect.Struct:
		fields := map[string]any{}
		for i := range v.NumField() {
			if name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ","); !v.Field(i).IsZero() {
				fields[name] = document(v.Field(i))
			}
		}
		return fields
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = document(v.Index(i))
		}
		return list
	case reflect.String:
		return v.String()
	}
	return v.Interface()
}
