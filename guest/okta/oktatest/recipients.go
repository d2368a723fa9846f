package oktatest

import (
	"maps"
	"net/http"
	"slices"
	"sync"
)

// recipientLimits are the limits on messages, which do not depend on a bucket of requests. Codes and texts are from
// https://developer.okta.com/docs/reference/error-codes/ and
// https://developer.okta.com/docs/reference/rl-additional-limits/
var recipientLimits = map[string]string{
	"E0000109": "An SMS message was recently sent. Please wait 30 seconds before trying again.",
	"E0000118": "An email was recently sent. Please wait 5 seconds before trying again.",
	"E0000133": "A phone call was recently made. Please wait 30 seconds before trying again.",
	"E0000146": "Your organization has reached the limit of sms requests that can be sent within a 24 hour period.",
	"E0000204": "You have reached the limit of sms requests, please try again later.",
}

// RecipientCodes returns the codes for a fault of kind RecipientLimited.
func RecipientCodes() []string { return slices.Sorted(maps.Keys(recipientLimits)) }

func recipientLimit(code string) *apiError {
	return &apiError{http.StatusTooManyRequests, code, recipientLimits[code], nil}
}

// mails has the time of the last mail to each user.
type mails struct {
	mu   sync.Mutex
	last map[string]millis // by user id
}

// mail records a mail to a user, or refuses it if it is too soon after the last.
func (o *Org) mail(c *call, u *user) error {
	if o.cfg.EmailInterval <= 0 {
		return nil
	}
	o.mails.mu.Lock()
	defer o.mails.mu.Unlock()
	now := millisOf(c.now)
	if last, ok := o.mails.last[u.id]; ok && now-last < millis(o.cfg.EmailInterval.Milliseconds()) {
		return recipientLimit("E0000118")
	}
	if o.mails.last == nil {
		o.mails.last = map[string]millis{}
	}
	o.mails.last[u.id] = now
	return nil
}
