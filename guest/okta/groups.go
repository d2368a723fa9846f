package okta

var groupOperations []operation
