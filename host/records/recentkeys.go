package records

import "hash/maphash"

// RememberedKeys is how many keys RecentKeys remembers at least. It remembers at most twice as many, in about 30 MB. A
// repeat is not noticed if more other records are between it and the first.
const RememberedKeys = 1 << 19

// RecentKeys remembers the keys of the latest records by 64-bit hashes. The probability that two of a million keys have
// the same hash is below one in ten million. The zero value is empty.
type RecentKeys struct {
	seed        maphash.Seed
	older, keys map[uint64]struct{}
	most        int // how many keys are remembered; 0 is RememberedKeys
}

// Before reports whether a key is remembered, and remembers it.
func (k *RecentKeys) Before(key []byte) bool {
	if k.keys == nil {
		k.seed, k.keys = maphash.MakeSeed(), map[uint64]struct{}{}
		if k.most == 0 {
			k.most = RememberedKeys
		}
	}
	h := maphash.Bytes(k.seed, key)
	if _, again := k.keys[h]; again {
		return true
	}
	if _, again := k.older[h]; again {
		return true
	}
	if len(k.keys) >= k.most {
		k.older, k.keys = k.keys, make(map[uint64]struct{}, k.most)
	}
	k.keys[h] = struct{}{}
	return false
}
