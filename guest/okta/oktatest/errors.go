package oktatest

import (
	"fmt"
	"net/http"
)

// apiError is a refusal with Okta's code and text.
type apiError struct {
	status  int
	code    string
	summary string
	causes  []string
}

// Error implements error.
func (e *apiError) Error() string { return e.code + ": " + e.summary }

// body renders e as Okta's Error object; id is new for every refusal.
func (e *apiError) body(id string) []byte {
	buf := appendField([]byte{'{'}, "errorCode", e.code)
	buf = appendField(buf, "errorSummary", e.summary)
	buf = appendField(buf, "errorLink", e.code)
	buf = appendField(buf, "errorId", id)
	buf = append(appendKey(buf, "errorCauses"), '[')
	for i, cause := range e.causes {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(appendField(append(buf, '{'), "errorSummary", cause), '}')
	}
	return append(buf, "]}"...)
}

// Refusals with a fixed text. https://developer.okta.com/docs/reference/error-codes/
var (
	errMalformed     = &apiError{http.StatusBadRequest, "E0000003", "The request body was not well-formed.", nil}
	errInternal      = &apiError{http.StatusInternalServerError, "E0000009", "Internal Server Error", nil}
	errBadToken      = &apiError{http.StatusUnauthorized, "E0000011", "Invalid token provided", nil}
	errNoFeature     = &apiError{http.StatusUnauthorized, "E0000015", "You do not have permission to access the feature you are requesting", nil}
	errAlreadyActive = &apiError{http.StatusForbidden, "E0000016", "Activation failed because the user is already active", nil}
	errUnknownPath   = &apiError{http.StatusNotFound, "E0000008", "The requested path was not found", nil}
	errMethod        = &apiError{http.StatusMethodNotAllowed, "E0000022", "The endpoint does not support the provided HTTP method", nil}
	errNotLockedOut  = &apiError{http.StatusForbidden, "E0000032", "Unlock is not allowed for this user.", []string{"The user is not locked out."}}
	errSearchFilter  = &apiError{http.StatusBadRequest, "E0000033", "Can't specify a search query and filter in the same request.", nil}
	errStatus        = &apiError{http.StatusForbidden, "E0000038", "This operation is not allowed in the user's current status.", nil}
	errTooMany       = &apiError{http.StatusTooManyRequests, "E0000047", "API call exceeded rate limit due to too many requests.", nil}
	errTooOld        = &apiError{http.StatusBadRequest, "E0000053", "Invalid parameter: since parameter is over 180 days prior to the current day.", nil}
	errRoleAssigned  = &apiError{http.StatusConflict, "E0000090", "Duplicate role assignment exception.", []string{"The role specified is already assigned to the user."}}
	errRoleHeld      = &apiError{http.StatusConflict, "E0000263", "Attempted to assign a duplicate standard role assignment to an admin", nil}
	errMoving        = &apiError{http.StatusConflict, "E0000112", "Cannot update this user because they are still being activated. Please try again in a few minutes.", nil}
	errInactiveUser  = &apiError{http.StatusForbidden, "E0000117", "Cannot assign apps or update app profiles for an inactive user.", nil}
	errETag          = &apiError{http.StatusPreconditionFailed, "E0000231", "ETag value doesn't match the server's value", nil}
)

// Refusals of nextLogin=changePassword.
var (
	errExpireNeedsPassword   = &apiError{http.StatusBadRequest, "E0000124", "Could not create user. To create a user and expire their password immediately, a password must be specified", nil}
	errExpireNeedsActivation = &apiError{http.StatusBadRequest, "E0000125", `Could not create user. To create a user and expire their password immediately, "activate" must be true`, nil}
)

// notFound names the type of the missing object, because callers decide by it: "User", "UserGroup", "RoleAssignment", …
func notFound(id, kind string) *apiError {
	return &apiError{http.StatusNotFound, "E0000007", fmt.Sprintf("Not found: Resource not found: %s (%s)", id, kind), nil}
}

// invalid is a failed validation of field; the causes give the reasons.
func invalid(field string, causes ...string) *apiError {
	return &apiError{http.StatusBadRequest, "E0000001", "Api validation failed: " + field, causes}
}

func missingParameter(name string) *apiError {
	return &apiError{http.StatusBadRequest, "E0000028", "The request is missing a required parameter.", []string{"Missing parameter: " + name}}
}

func invalidDate(name string) *apiError {
	return &apiError{http.StatusBadRequest, "E0000030", "Bad request. Invalid date. Dates must be of the form yyyy-MM-dd'T'HH:mm:ss.SSSZ: " + name, nil}
}

func invalidSearch(why string) *apiError {
	return &apiError{http.StatusBadRequest, "E0000031", "Invalid search criteria.", []string{why}}
}

func invalidFilter(why string) *apiError {
	return &apiError{http.StatusBadRequest, "E0000053", "Invalid filter: " + why, nil}
}

func invalidCursor() *apiError { return invalid("after", "Invalid cursor.") }

// statusError returns Okta's body for a status that says nothing about the request. That is 5xx, and 409 for two
// concurrent changes of role assignments.
func statusError(status int) *apiError {
	switch status {
	case http.StatusConflict:
		return &apiError{status, "E0000268", "Another request is making changes to the role assignments. Please try again.", nil}
	case http.StatusInternalServerError:
		return errInternal
	case http.StatusServiceUnavailable:
		return &apiError{status, "E0000010", "Service is in read only mode", nil}
	}
	return &apiError{status, "E0000009", http.StatusText(status), nil}
}
