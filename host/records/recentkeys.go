package records

import "hash/maphash"

// RememberedKeys is how many keys RecentKeys remembers at least. It remembers at most twice as many, in about 30 MB. A
// repeat is not noticed if more other records are between it and the first.
const RememberedKeys = 1 << 19

// keySize is how many bytes a remembered key takes, with the free places of its table.
const keySize = 32

// RecentKeys remembers the keys of the latest records by 64-bit hashes. The probability that two of a million keys have
// the same hash is below one in ten million. The zero value is empty, and counts its memory nowhere.
type RecentKeys struct {
	Memory Memory // counts what the keys take; nil counts nothing

	seed        maphash.Seed
	older, keys map[uint64]struct{}
	most        int   // how many keys are remembered; 0 is RememberedKeys
	held        int64 // bytes that Memory counts
}

// Reserve counts the memory of n more keys, before Before remembers them. Its error is that of Memory.
func (k *RecentKeys) Reserve(n int) error {
	k.begin()
	all := len(k.older) + len(k.keys) + n
	if len(k.keys)+n >= k.most { // keys becomes older, and a new table of full size is made
		all = 2 * k.most
	}
	more := int64(min(all, 2*k.most))*keySize - k.held
	if k.Memory == nil || more <= 0 {
		return nil
	}
	if err := k.Memory.Take(more); err != nil {
		return err
	}
	k.held += more
	return nil
}

// Forget forgets all keys, and gives their memory back.
func (k *RecentKeys) Forget() {
	if k.Memory != nil {
		k.Memory.Give(k.held)
	}
	k.older, k.keys, k.held = nil, nil, 0
}

func (k *RecentKeys) begin() {
	if k.keys != nil {
		return
	}
	k.seed, k.keys = maphash.MakeSeed(), map[uint64]struct{}{}
	if k.most == 0 {
		k.most = RememberedKeys
	}
}

// Before reports whether a key is remembered, and remembers it.
func (k *RecentKeys) Before(key []byte) bool {
	k.begin()
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
