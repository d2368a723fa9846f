// Package attack has tests that attack this project's host. They use the kit of abi/conformance, and attacks on the
// files that only this host reads. make attack runs them:
//
//	TestAttack     makes every attack, twice; prints how many were contained, and what they left behind
//	TestProcess    makes every attack of the kit on the host in another process
//	TestMutations  removes each check from a copy of the host, and expects that an attack gets through
//
// ATTACK_WALL=NAME attacks only one wall; -run 'TestMutations/of/NAME' removes only its checks.
package attack
