package oktatest

import (
	"encoding/hex"
	"sync/atomic"
)

// ids derives every identifier of an org from its seed and a counter, so that a run can be repeated.
type ids struct {
	seed    uint64
	counter atomic.Uint64
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// Domains separate the ids of different kinds.
const (
	domainUser uint64 = iota + 1
	domainGroup
	domainRole
	domainClient
	domainOrg
	domainEvent
	domainCounter
	domainShape
	domainFault
)

// mix is splitmix64's finaliser: a cheap bijection that scatters counters over 64 bits.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hash returns a pseudo-random number that depends only on the seed, a domain and an index.
func (g *ids) hash(domain, index uint64) uint64 {
	return mix(mix(g.seed+domain*0x632be59bd9b4e019) + index)
}

// seeded returns the id of the index-th seeded object: 20 characters that start with prefix.
func (g *ids) seeded(prefix string, domain uint64, index int) string {
	buf := append(make([]byte, 0, 20), prefix...)
	return string(g.fill(buf, 20, g.hash(domain, uint64(index))))
}

// next returns a new id of length characters that start with prefix.
func (g *ids) next(prefix string, length int) string {
	buf := append(make([]byte, 0, length), prefix...)
	return string(g.fill(buf, length, g.hash(domainCounter, g.counter.Add(1))))
}

// requestID returns 32 hexadecimal digits, as in X-Okta-Request-Id.
func (g *ids) requestID() string {
	h := g.hash(domainCounter, g.counter.Add(1))
	var raw [16]byte
	for i := range raw {
		if i == 8 {
			h = mix(h)
		}
		raw[i] = byte(h >> (8 * (i % 8)))
	}
	return hex.EncodeToString(raw[:])
}

// fill appends base62 digits until buf has length bytes. All ids of an org end the same way, like Okta's.
func (g *ids) fill(buf []byte, length int, h uint64) []byte {
	random := h
	for len(buf) < length-4 {
		if random < 1<<16 {
			h = mix(h)
			random = h
		}
		buf = append(buf, base62[random%62])
		random /= 62
	}
	suffix := g.hash(domainOrg, 0)
	for len(buf) < length {
		buf = append(buf, base62[suffix%62])
		suffix /= 62
	}
	return buf
}
