package okta

var policyOperations []operation
