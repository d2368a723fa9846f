//go:build wasip1

package main

import (
	"github.com/mach5/okta-connector/abi"
	"github.com/mach5/okta-connector/guest/hostcall"
	"github.com/mach5/okta-connector/guest/jsonval"
)

func ok(r hostcall.Response) bool { return r.Err == nil && r.Status >= 200 && r.Status < 300 }

// lost reports whether a write may have taken effect although no answer confirms it.
func lost(r hostcall.Response) bool {
	return r.Err != nil && r.Err.Sent && r.Err.Code != abi.SendRateLimited || r.Err == nil && r.Status >= 500
}

// refused returns the result for a request that was not answered with 2xx.
func refused(r hostcall.Response) string {
	if e := r.Err; e != nil {
		outcome := "unavailable"
		switch e.Code {
		case abi.SendRateLimited, abi.SendCeiling:
			outcome = "throttled"
		case abi.SendDenied, abi.SendMalformed:
			outcome = "failed"
		case abi.SendTooLarge, abi.SendTainted:
			outcome = "rejected"
		}
		var w, up jsonval.Writer
		w.Str("code", code(e)).Str("message", e.Message).Bool("retryable", outcome == "unavailable" || outcome == "throttled").IntIf("retry_after_ms", e.RetryAfterMS)
		if e.Status > 0 {
			w.Raw("upstream", up.Int("status", int64(e.Status)).StrIf("code", e.UpstreamCode).StrIf("summary", e.UpstreamSummary).StrIf("request_id", e.RequestID).String())
		}
		return result(outcome, w)
	}
	outcome := "rejected"
	switch {
	case r.Status == 404:
		outcome = "not_found"
	case r.Status == 429:
		outcome = "throttled"
	case r.Status >= 500:
		outcome = "unavailable"
	}
	body, _ := host.Body(r)
	kind, text := body.At("fault", "kind").Str(), body.At("fault", "text").Str()
	var w, up jsonval.Writer
	up.Int("status", int64(r.Status)).StrIf("code", kind).StrIf("summary", text).StrIf("request_id", r.Header("depot-trace"))
	if kind == "" {
		kind = outcome
	}
	w.Str("code", kind).Str("message", "the depot answered: "+text).Raw("upstream", up.String()).Bool("retryable", outcome == "throttled" || outcome == "unavailable" || r.Status == 412)
	return result(outcome, w)
}

// code returns the code of the result's error.
func code(e *abi.SendError) string {
	if e.Code == abi.SendRateLimited {
		return "throttled"
	}
	return string(e.Code)
}

func failed(outcome, code, message string) string {
	var w jsonval.Writer
	w.Str("code", code).Str("message", message).Bool("retryable", false)
	return result(outcome, w)
}

func unavailable(message string) string {
	var w, out jsonval.Writer
	w.Str("code", "unavailable").Str("message", message).Bool("retryable", true)
	return out.Str("outcome", "unavailable").Raw("error", w.String()).Bool("reconciled", true).String()
}

func doubt(message string) string { return failed("unknown", "unknown", message) }

func result(outcome string, err jsonval.Writer) string {
	var w jsonval.Writer
	return w.Str("outcome", outcome).Raw("error", err.String()).String()
}
