package abi

import "testing"

func TestRateLimitErrors_Check_RefusesInvalidOnes(t *testing.T) {
	for name, c := range map[string]struct {
		r  *RateLimitErrors
		ok bool
	}{
		"none":               {nil, true},
		"complete":           {&RateLimitErrors{Code: "errorCode", Summary: "errorSummary", Buckets: []string{"A"}, Wait: `wait (\d+) s`}, true},
		"without a text":     {&RateLimitErrors{Code: "errorCode", Buckets: []string{"A"}}, true},
		"without a code":     {&RateLimitErrors{Buckets: []string{"A"}}, false},
		"without buckets":    {&RateLimitErrors{Code: "errorCode"}, false},
		"an invalid pattern": {&RateLimitErrors{Code: "errorCode", Buckets: []string{"A"}, Wait: "("}, false},
		"two groups":         {&RateLimitErrors{Code: "errorCode", Buckets: []string{"A"}, Wait: "(a)(b)"}, false},
		"no group":           {&RateLimitErrors{Code: "errorCode", Buckets: []string{"A"}, Wait: "a"}, false},
	} {
		if err := c.r.Check(); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
