package okta

var sessionOperations []operation
