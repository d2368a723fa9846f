package sandbox

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"
)

// This file implements the part of WASI preview 1 that a language's runtime needs to start. It gives access to no
// file, real clock or environment. wazero's implementation keeps state that outlives a call, such as closed
// descriptors and clocks, so that one call could leave data for the next. Here, the only state is Instance.ticks.

// Error numbers of WASI.
const (
	wasiOK      = 0
	wasiBadFD   = 8
	wasiFault   = 21
	wasiInvalid = 28
)

// Limits of one WASI call.
const (
	maxVectors = 1024      // buffers of a write, subscriptions of a poll
	maxRandom  = 256 << 10 // bytes
)

const (
	epoch = 1_640_995_200_000_000_000 // 2022-01-01 in nanoseconds, the start time of every call
	tick  = 1_000_000                 // a clock advances by this at each reading, so that time passes for runtimes
	nap   = 24 * 3600 * 1_000_000_000 // the longest time that a poll skips
)

// wasiFunctions returns the functions of wasi_snapshot_preview1 that a module may import.
func wasiFunctions() []function {
	results := []api.ValueType{i32}
	define := func(name string, f func(in *Instance, s []uint64) uint64, params ...api.ValueType) function {
		return function{name, params, results, func(g *guestContext, s []uint64) {
			if err := g.Err(); err != nil {
				panic(err)
			}
			s[0] = f(g.instance, s)
		}}
	}
	exit := function{"proc_exit", []api.ValueType{i32}, nil, func(_ *guestContext, s []uint64) {
		panic(sys.NewExitError(uint32(s[0])))
	}}
	// put writes 32-bit numbers to addresses; both are given in pairs.
	put := func(in *Instance, pairs ...uint64) uint64 {
		for i := 0; i < len(pairs); i += 2 {
			if !in.module.Memory().WriteUint32Le(uint32(pairs[i]), uint32(pairs[i+1])) {
				return wasiFault
			}
		}
		return wasiOK
	}
	nothing := func(in *Instance, s []uint64) uint64 { return put(in, s[0], 0, s[1], 0) }
	ok := func(*Instance, []uint64) uint64 { return wasiOK }
	bad := func(*Instance, []uint64) uint64 { return wasiBadFD }
	standard := func(_ *Instance, s []uint64) uint64 {
		if uint32(s[0]) > 2 {
			return wasiBadFD
		}
		return wasiOK
	}
	return []function{
		exit,
		define("args_get", ok, i32, i32),
		define("args_sizes_get", nothing, i32, i32),
		define("environ_get", ok, i32, i32),
		define("environ_sizes_get", nothing, i32, i32),
		define("sched_yield", ok),
		define("fd_close", standard, i32),
		define("fd_fdstat_set_flags", standard, i32, i32),
		define("fd_prestat_get", bad, i32, i32),
		define("fd_prestat_dir_name", bad, i32, i32, i32),
		define("fd_fdstat_get", func(in *Instance, s []uint64) uint64 {
			if uint32(s[0]) > 2 {
				return wasiBadFD
			}
			stat := [24]byte{0: 2} // a character device without rights
			if !in.module.Memory().Write(uint32(s[1]), stat[:]) {
				return wasiFault
			}
			return wasiOK
		}, i32, i32),
		define("fd_read", func(in *Instance, s []uint64) uint64 { // always at end of file
			if uint32(s[0]) != 0 {
				return wasiBadFD
			}
			return put(in, s[3], 0)
		}, i32, i32, i32, i32),
		define("fd_write", func(in *Instance, s []uint64) uint64 {
			if fd := uint32(s[0]); fd != 1 && fd != 2 {
				return wasiBadFD
			}
			n, code := in.gather(uint32(s[0]) == 2, uint32(s[1]), uint32(s[2]))
			if code != wasiOK {
				return code
			}
			return put(in, s[3], uint64(n))
		}, i32, i32, i32, i32),
		define("random_get", func(in *Instance, s []uint64) uint64 {
			if uint32(s[1]) > maxRandom {
				return wasiInvalid
			}
			b, ok := in.module.Memory().Read(uint32(s[0]), uint32(s[1]))
			if !ok {
				return wasiFault
			}
			_, _ = rand.Read(b) // cannot fail
			return wasiOK
		}, i32, i32),
		define("clock_time_get", func(in *Instance, s []uint64) uint64 {
			now := in.ticks
			in.ticks += tick
			switch uint32(s[0]) {
			case 0: // wall clock
				now += epoch
			case 1: // monotonic
			default:
				return wasiInvalid
			}
			if !in.module.Memory().WriteUint64Le(uint32(s[2]), uint64(now)) {
				return wasiFault
			}
			return wasiOK
		}, i32, i64, i32),
		define("poll_oneoff", func(in *Instance, s []uint64) uint64 {
			return in.poll(uint32(s[0]), uint32(s[1]), uint32(s[2]), uint32(s[3]))
		}, i32, i32, i32, i32),
	}
}

// gather reads what a guest writes. It keeps the end of standard error for the log of a failed module.
func (in *Instance) gather(keep bool, vectors, count uint32) (n uint32, code uint64) {
	if count > maxVectors {
		return 0, wasiInvalid
	}
	for i := range count {
		at, ok1 := in.module.Memory().ReadUint32Le(vectors + 8*i)
		length, ok2 := in.module.Memory().ReadUint32Le(vectors + 8*i + 4)
		b, ok3 := in.module.Memory().Read(at, length)
		if !ok1 || !ok2 || !ok3 {
			return 0, wasiFault
		}
		if keep {
			in.stderr.add(b)
		}
		n += length
	}
	return n, wasiOK
}

// poll answers every subscription at once. A guest that sleeps sees its clock advanced.
func (in *Instance) poll(subscriptions, events, count, size uint32) uint64 {
	const subscription, event = 48, 32
	if count == 0 || count > maxVectors {
		return wasiInvalid
	}
	for i := range count {
		s, ok := in.module.Memory().Read(subscriptions+subscription*i, subscription)
		if !ok {
			return wasiFault
		}
		answer := [event]byte{10: s[8]}
		copy(answer[:8], s[:8]) // the guest's own id of the subscription
		if s[8] == 0 {          // a clock
			d := int64(min(binary.LittleEndian.Uint64(s[24:]), 1<<62))
			if s[40]&1 != 0 { // an absolute time
				if d -= in.ticks; s[16] == 0 {
					d -= epoch
				}
			}
			in.ticks = min(in.ticks+min(max(d, 0), nap), 1<<60)
		}
		if !in.module.Memory().Write(events+event*i, answer[:]) {
			return wasiFault
		}
	}
	if !in.module.Memory().WriteUint32Le(size, count) {
		return wasiFault
	}
	return wasiOK
}
