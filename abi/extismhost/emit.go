package extismhost

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/mach5/okta-connector/abi"
)

// emit implements records_emit.
func (c *call) emit(handle uint64, text []byte) (sum abi.EmitSummary, err error) {
	var o abi.EmitOptions
	if err := json.Unmarshal(text, &o); err != nil {
		return sum, err
	}
	body := c.body(handle)
	if !json.Valid(body) {
		return sum, errors.New("the body is not JSON")
	}
	key := o.Key
	if key == "" {
		key = c.op.Key
	}
	all, err := pick(body, o, key)
	if err != nil {
		return sum, err
	}
	sum.Total = len(all)
	all = all[min(max(o.Skip, 0), len(all)):]
	if o.Limit > 0 && len(all) > o.Limit {
		all = all[:o.Limit]
	}
	sum.Count = len(all)
	if o.Keys {
		if key == "" {
			key = "id"
		}
		for i, r := range all {
			if !keyed(r, key) {
				return abi.EmitSummary{}, fmt.Errorf("record %d has no string or number at %s", i, key)
			}
			sum.Keys = append(sum.Keys, gjson.GetBytes(r, key).String())
		}
		return sum, nil
	}
	if o.Keyed {
		identity := cmp.Or(key, "id")
		for i, r := range all {
			if !keyed(r, identity) {
				return abi.EmitSummary{}, fmt.Errorf("record %d has no string or number at %s, which is its key", max(o.Skip, 0)+i, identity)
			}
		}
	}
	for i, r := range all {
		for _, path := range o.Omit {
			for gjson.GetBytes(r, path).Exists() {
				if r, err = sjson.DeleteBytes(r, path); err != nil {
					return sum, err
				}
			}
		}
		sum.Bytes += int64(len(r))
		if i == 0 {
			sum.First = summary(r, o.Summarise)
		}
		if i == len(all)-1 {
			sum.Last = summary(r, o.Summarise)
		}
		out := record{json: r, handle: handle}
		if key != "" {
			out.key = gjson.GetBytes(r, key).String()
		}
		if o.Kind != "" {
			out = envelope(r, o, handle)
		}
		c.emitted = append(c.emitted, out)
	}
	return sum, nil
}

// pick returns the records at o.Path of a body, byte for byte.
func pick(body []byte, o abi.EmitOptions, key string) ([]json.RawMessage, error) {
	at := gjson.ParseBytes(body)
	if o.Path != "" {
		at = at.Get(o.Path)
	}
	one := []json.RawMessage{json.RawMessage(strings.TrimSpace(at.Raw))}
	switch {
	case at.IsArray():
		if o.Want == abi.WantObject {
			return nil, errors.New("wanted an object, found an array")
		}
		var all []json.RawMessage
		var wrong error
		at.ForEach(func(_, r gjson.Result) bool {
			if !r.IsObject() {
				wrong = errors.New("an element of the array is not an object")
			}
			all = append(all, json.RawMessage(r.Raw))
			return wrong == nil
		})
		return all, wrong
	case at.IsObject():
		if o.Want == abi.WantArray {
			return nil, errors.New("wanted an array, found an object")
		}
		if o.Want == abi.WantObject && key != "" && !keyed(one[0], key) {
			return nil, fmt.Errorf("wanted an object with a string or number at %s, found none", key)
		}
		return one, nil
	case at.Type == gjson.Null && at.Exists() && o.Want == "":
		return nil, nil
	}
	return nil, errors.New("the body has no records")
}

// keyed reports whether a record has a string or number at a path.
func keyed(r json.RawMessage, path string) bool {
	v := gjson.GetBytes(r, path)
	return (v.Type == gjson.String || v.Type == gjson.Number) && v.String() != ""
}

// summary returns the values at paths of a record.
func summary(r json.RawMessage, paths []string) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	for _, path := range paths {
		if v := gjson.GetBytes(r, path); v.Exists() {
			if m == nil {
				m = map[string]json.RawMessage{}
			}
			m[path] = json.RawMessage(v.Raw)
		}
	}
	return m
}

// envelope puts a record into the envelope for o.
func envelope(r json.RawMessage, o abi.EmitOptions, handle uint64) record {
	key := o.Key
	if key == "" {
		key = "id"
	}
	id := gjson.GetBytes(r, key).String()
	for _, path := range o.Distinct {
		v := gjson.GetBytes(r, path).String()
		id += "/" + v[strings.LastIndexByte(v, '/')+1:]
	}
	if o.Parent != "" {
		id = o.Parent + "/" + id
	}
	var b bytes.Buffer
	member := func(name, value string) {
		text, _ := json.Marshal(value) // a string always encodes
		b.WriteString(`"` + name + `":`)
		b.Write(text)
		b.WriteByte(',')
	}
	b.WriteByte('{')
	member("kind", o.Kind)
	member("id", id)
	if o.Parent != "" {
		member("parent", o.Parent)
	}
	b.WriteString(`"record":`)
	b.Write(r)
	b.WriteByte('}')
	return record{json: b.Bytes(), key: o.Kind + ":" + id, handle: handle}
}
