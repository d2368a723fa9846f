package okta

var applicationOperations []operation
