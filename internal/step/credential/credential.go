// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package credential reads a forge's credentials from a mounted Secret.
package credential

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/inventory"
)

// maxSecret bounds one key of a mounted Secret; Kubernetes' own limit is 1 MiB
// for all of them.
const maxSecret = 1 << 20

// Git reads how to authenticate to a forge from a folder with the keys
// token, and optionally username and ca.crt. Without a folder it is anonymous.
func Git(w step.Workspace) (inventory.Auth, error) {
	dir := w.Folder()
	if dir == "" {
		return inventory.Auth{}, nil
	}
	token, err := secretKey(dir, "token")
	if err != nil {
		return inventory.Auth{}, err
	}
	user, err := optionalKey(dir, "username")
	if err != nil {
		return inventory.Auth{}, err
	}
	ca, err := optionalKey(dir, "ca.crt")
	if err != nil {
		return inventory.Auth{}, err
	}
	return inventory.Auth{Username: strings.TrimSpace(user), Token: strings.TrimSpace(token), CA: []byte(ca)}, nil
}

func optionalKey(dir, key string) (string, error) {
	value, err := secretKey(dir, key)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return value, err
}

func secretKey(dir, key string) (string, error) {
	file, err := os.Open(filepath.Join(dir, key))
	if err != nil {
		return "", fmt.Errorf("read key %s of the Secret mounted at %s: %w", key, dir, err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("read key %s of the Secret mounted at %s: %w", key, dir, err)
	}
	if len(content) > maxSecret {
		return "", fmt.Errorf("key %s of the Secret mounted at %s is larger than %d bytes", key, dir, maxSecret)
	}
	return string(content), nil
}
