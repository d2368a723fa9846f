package prose

// budget is how many words to avoid each folder may still have. It only goes down: -args -lower lowers it to what is there. A
// folder that is not listed has none.
var budget = map[string]int{
	".":                               2,
	"cmd/wasm-runner":                 1,
	"cmd/wasm-runner/internal/cli":    4,
	"cmd/wasm-runner/internal/rows":   1,
	"cmd/wasm-runner/internal/source": 2,
	"host/attack":                     1,
	"host/sql":                        4,
}
