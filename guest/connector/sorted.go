package connector

// AddSorted adds a text to sorted texts, once. It is for short lists: package slices' sort would be 0.6 % of the module
// (docs/measurements.md).
func AddSorted(sorted []string, text string) []string {
	i := 0
	for i < len(sorted) && sorted[i] < text {
		i++
	}
	if i < len(sorted) && sorted[i] == text {
		return sorted
	}
	sorted = append(sorted, "")
	copy(sorted[i+1:], sorted[i:])
	sorted[i] = text
	return sorted
}
