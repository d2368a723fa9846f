package egress

import "net/url"

// Target returns the escaped path and query that a request would go to. It sends nothing. The error says what is
// wrong with the request.
func (c *Client) Target(call Call) (string, error) {
	req, err := c.build(call)
	if err != nil {
		return "", err
	}
	target := url.URL{Path: req.url.Path, RawPath: req.url.RawPath, RawQuery: req.url.RawQuery}
	return target.String(), nil
}
