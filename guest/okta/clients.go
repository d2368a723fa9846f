package okta

var clientOperations []operation
