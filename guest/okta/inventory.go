package okta

var inventoryOperations []operation
