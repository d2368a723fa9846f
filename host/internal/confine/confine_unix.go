//go:build unix && !linux

package confine

func supported() Report { return Report{NoDump: true, Limits: true} }

func apply(p Policy) (Report, error) {
	if err := limit(p); err != nil {
		return Report{}, err
	}
	return Report{NoDump: true, Limits: p.Data > 0}, nil
}

func dataInUse() uint64 { return 0 }
