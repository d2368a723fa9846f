package walk

// Ahead is a page that is fetched while the caller uses the one before. The zero value is none. It is not safe for
// concurrent use.
type Ahead[Page any] struct{ coming chan fetched[Page] }

type fetched[Page any] struct {
	page Page
	err  error
}

// Fetch begins to fetch a page. The last one must have been taken.
func (a *Ahead[Page]) Fetch(get func() (Page, error)) {
	a.coming = make(chan fetched[Page], 1)
	go func(to chan fetched[Page]) {
		page, err := get()
		to <- fetched[Page]{page, err}
	}(a.coming)
}

// Take waits for the page.
func (a *Ahead[Page]) Take() (Page, error) {
	f := <-a.coming
	a.coming = nil
	return f.page, f.err
}

// Drop calls release with the page that nothing took, if there is one and it has no error. It waits for the page, so the
// caller cancels the fetching first.
func (a *Ahead[Page]) Drop(release func(Page)) {
	if a.coming == nil {
		return
	}
	if page, err := a.Take(); err == nil {
		release(page)
	}
}
