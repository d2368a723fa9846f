package egress

import "net/url"

// Target is where a request would go, and nothing is sent: the escaped path and query behind the origin. The error says
// what is not allowed about the request.
func (c *Client) Target(call Call) (string, error) {
	req, err := c.build(call)
	if err != nil {
		return "", err
	}
	target := url.URL{Path: req.url.Path, RawPath: req.url.RawPath, RawQuery: req.url.RawQuery}
	return target.String(), nil
}
