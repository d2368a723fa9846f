package okta

var deviceOperations []operation
