package records

import "hash/maphash"

// RememberedKeys is how many keys of the last records RecentKeys remembers at least; at most it is twice as many, of 8 bytes each
// and what a map adds, about 30 MB in all. A record that comes again behind more others than that is not known as a repeat.
const RememberedKeys = 1 << 19

// RecentKeys remembers the keys of records, by a hash of 64 bits: that two of a million are the same is less likely than
// one in ten million. The oldest are forgotten. The zero value remembers none.
type RecentKeys struct {
	seed        maphash.Seed
	older, keys map[uint64]struct{}
	most        int // how many keys are remembered; 0 is RememberedKeys
}

// Before reports whether a key came before, on this page or an earlier one, and remembers it.
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
