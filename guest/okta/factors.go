package okta

var factorOperations []operation
