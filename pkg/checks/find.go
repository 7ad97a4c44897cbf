// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package checks

import (
	"errors"
	"fmt"
	"io/fs"
)

// ReadFile returns the content of a file of the configuration repository, by
// its path in it. Its error wraps fs.ErrNotExist where there is no such file.
type ReadFile func(path string) ([]byte, error)

// Names are the names that a checks file is looked up by, in this order: for a
// region of a target, for the target, for all. Region may be empty. Both are
// names as validated: neither holds a slash.
func Names(region, target string) []string {
	var names []string
	if region != "" && target != "" {
		names = append(names, region+"."+target+".validation.json")
	}
	if target != "" {
		names = append(names, target+".validation.json")
	}
	return append(names, "validation.json")
}

// Find reads the first checks file that exists of Names. Without any it returns
// nil and no error. A file that cannot be used is an error; the next one is not
// tried in its place.
func Find(read ReadFile, region, target string) (*File, error) {
	for _, name := range []string{region, target} {
		if name != "" && !ValidName(name) {
			return nil, fmt.Errorf("looking for a checks file: %.80q is not a name of a region or target: letters, digits, and - _ . inside", name)
		}
	}
	for _, name := range Names(region, target) {
		file, err := Load(read, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return file, err
	}
	return nil, nil
}

// Load reads the checks file at a path that was given. It must exist.
func Load(read ReadFile, path string) (*File, error) {
	data, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("reading checks file %s: %w", path, err)
	}
	return Parse(path, data)
}
