package okta

var authorizationServerOperations []operation
