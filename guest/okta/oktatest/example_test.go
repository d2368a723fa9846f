package oktatest_test

import (
	"fmt"
	"net/http"

	"github.com/mach5/okta-connector/guest/okta/oktatest"
)

// A write whose response is lost: the client cannot know whether it took effect, but the test can.
func Example() {
	org := oktatest.New(oktatest.Config{})
	server := org.Start()
	defer server.Close()
	fault, err := oktatest.ParseFault("reset-after:POST /api/v1/users/{id}/lifecycle/suspend:times=1")
	if err != nil {
		fmt.Println(err)
		return
	}
	org.Inject(fault)

	request, err := http.NewRequest("POST", server.URL+"/api/v1/users/ada.lovelace/lifecycle/suspend", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	request.Header.Set("Authorization", "SSWS "+org.Token())
	_, err = http.DefaultClient.Do(request)
	fmt.Println("answered:", err == nil)
	fmt.Println("took effect:", org.Effects() == 1)
	// Output:
	// answered: false
	// took effect: true
}
