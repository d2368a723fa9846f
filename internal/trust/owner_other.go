//go:build !unix

package trust

import "io/fs"

// ownerOf is for systems on which the owner of a file is not a number.
func ownerOf(fs.FileInfo) (uid int, known bool) { return 0, false }
