package warn

import (
	"fmt"
	"strings"
	"testing"
)

func TestOnce_OverTheLimit_SaysThatOthersWereOmitted(t *testing.T) {
	var got []string
	o := Once{Warn: func(w string) { got = append(got, w) }}
	for i := range 3 * Max {
		o.Pass(fmt.Sprint("warning ", i%(2*Max)))
	}
	if len(got) != Max+1 || got[Max-1] != fmt.Sprint("warning ", Max-1) || !strings.Contains(got[Max], "omitted") {
		t.Errorf("%d warnings, the last is %q", len(got), got[len(got)-1])
	}
}
