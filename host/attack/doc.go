// Package attack attacks this project's host with the kit of abi/conformance, and with what is this host's alone: its
// files. It is tests, run by make attack:
//
//	TestAttack      every attack; prints how many were tried and contained
//	TestMutations   takes each wall out of a copy of the host, and wants an attack to get through
package attack
