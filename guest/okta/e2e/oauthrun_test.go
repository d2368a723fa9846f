package e2e_test

import (
	"os"
	"sync"
)

// secondRun says that the connections of this process sign in as a service app with DPoP. See
// TestOperations_WithOAuth_PassAsWithAToken.
var secondRun = os.Getenv(secondRunVariable) != ""

const secondRunVariable = "E2E_SIGN_IN_WITH_OAUTH"

// secondApp is the app of the second run.
var secondApp = sync.OnceValue(func() app { return newApp() })
