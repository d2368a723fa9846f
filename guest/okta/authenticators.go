package okta

var authenticatorOperations []operation
