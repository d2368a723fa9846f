// Package tree reads statements and plans as DuckDB writes them in JSON.
package tree

// At goes down a tree by names and indexes; nil if there is nothing.
func At(tree any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := tree.(map[string]any)
			tree = m[step]
		case int:
			list, _ := tree.([]any)
			if step >= len(list) {
				return nil
			}
			tree = list[step]
		}
	}
	return tree
}

// Text is a text in a tree, or "".
func Text(tree any, path ...any) string {
	s, _ := At(tree, path...).(string)
	return s
}

// List is a list in a tree, or nil.
func List(tree any, path ...any) []any {
	list, _ := At(tree, path...).([]any)
	return list
}

// Each calls f with every object of a tree.
func Each(tree any, f func(map[string]any)) {
	switch v := tree.(type) {
	case []any:
		for _, one := range v {
			Each(one, f)
		}
	case map[string]any:
		f(v)
		for _, one := range v {
			Each(one, f)
		}
	}
}

// Conjuncts returns the parts of which all must hold.
func Conjuncts(e any) []any {
	if Text(e, "type") == "CONJUNCTION_AND" {
		var all []any
		for _, child := range List(e, "children") {
			all = append(all, Conjuncts(child)...)
		}
		return all
	}
	return []any{e}
}
