// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin || freebsd

package evidence

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// lockFolder holds an advisory lock on a folder, which ends with the process at
// the latest and leaves no file behind. File systems without such locks, as some
// network file systems, are written without.
func lockFolder(ctx context.Context, folder string) (release func(), err error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, fmt.Errorf("locking folder %s: %w", folder, err)
	}
	for {
		switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			return func() { _ = f.Close() }, nil
		case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
			if err := pause(ctx); err != nil {
				return nil, errors.Join(fmt.Errorf("waiting for the lock on folder %s: %w", folder, err), f.Close())
			}
		default:
			_ = f.Close()
			return func() {}, nil
		}
	}
}
