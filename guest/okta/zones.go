package okta

var zoneOperations []operation
