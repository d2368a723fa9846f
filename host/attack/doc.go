// Package attack attacks this project's host with the kit of abi/conformance, and with what is this host's alone: its
// files. It is tests, run by make attack:
//
//	TestAttack               every attack, twice; prints how many were tried and contained, and what is left behind
//	TestAHostBehindAProcess  every attack of the kit, through a process
//	TestMutations            takes each check out of a copy of the host, and wants an attack to get through
//
// ATTACK_WALL=NAME attacks one wall; -run 'TestMutations/of/NAME' takes its checks out.
package attack
