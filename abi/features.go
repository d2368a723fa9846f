package abi

// Minor is the minor version of the ABI that this package describes.
const Minor = 2

// The named features of this ABI. A host may lack any of them. A host lists its features in the inputs of exports,
// and a module lists those that it needs in Manifest.Requires.
const (
	FeatureWant     = "want"      // EmitOptions.Want
	FeatureNoRepeat = "no_repeat" // Request.NoRepeat
	FeatureKeys     = "keys"      // EmitOptions.Keys
	FeatureOmit     = "omit"      // EmitOptions.Omit
	FeaturePlan     = "plan"      // Response.Planned
	FeatureSign     = "sign"      // Request.Sign
	FeatureEmit     = "emit"      // Request.Emit
	FeatureKeyed    = "keyed"     // EmitOptions.Keyed
	FeatureGuards   = "guards"    // Endpoint.Guards
	FeatureOAuth    = "oauth"     // Auth of type AuthOAuth
	FeatureAnnounce = "announce"  // Request.Announce
	FeatureDistinct = "distinct"  // EmitOptions.Distinct
)

// Types of Auth, and values of Settings.Auth.
const (
	AuthToken = "token" // a static API token
	AuthOAuth = "oauth" // an OAuth 2.0 client with the client credentials grant
)

// Features returns the features that the host of this repository has.
func Features() []string {
	return []string{FeatureWant, FeatureNoRepeat, FeatureKeys, FeatureOmit, FeaturePlan, FeatureSign, FeatureEmit, FeatureKeyed, FeatureGuards, FeatureOAuth, FeatureAnnounce, FeatureDistinct}
}
