// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package step

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Workspace is an optional workspace of a Task: a folder, and whether Tekton
// bound anything to it.
type Workspace struct {
	// Path is $(workspaces.<name>.path).
	Path string
	// Bound is $(workspaces.<name>.bound); empty counts as true where there is a
	// path, so that a folder can be given by hand.
	Bound string
}

// Folder is the workspace's folder, empty if there is none.
func (w Workspace) Folder() string {
	if w.Bound == "false" {
		return ""
	}
	return w.Path
}

// lockerFiles are the keys of a locker's Secret that storage clients read as
// files, with the environment variable that tells them where.
var lockerFiles = map[string]string{
	"credentials":             "AWS_SHARED_CREDENTIALS_FILE",
	"config":                  "AWS_CONFIG_FILE",
	"google-credentials.json": "GOOGLE_APPLICATION_CREDENTIALS",
}

// lockerValues are the keys whose content is the variable's value.
var lockerValues = map[string]string{
	"azure-storage-account": "AZURE_STORAGE_ACCOUNT",
	"azure-storage-key":     "AZURE_STORAGE_KEY",
	"azure-tenant-id":       "AZURE_TENANT_ID",
	"azure-client-id":       "AZURE_CLIENT_ID",
	"azure-client-secret":   "AZURE_CLIENT_SECRET",
}

// UseLockerSecret lets the storage clients find their credentials in a folder:
// the AWS tools' files credentials and config, google-credentials.json, or
// azure-storage-account with azure-storage-key or a client's id and secret. At
// least one must be there.
func UseLockerSecret(w Workspace) error {
	dir := w.Folder()
	if dir == "" {
		return nil
	}
	found := false
	for key, variable := range lockerFiles {
		path := filepath.Join(dir, key)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		found = true
		if err := os.Setenv(variable, path); err != nil {
			return err
		}
	}
	for key, variable := range lockerValues {
		value, err := os.ReadFile(filepath.Join(dir, key))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading the locker workspace: %w", err)
		}
		found = true
		if err := os.Setenv(variable, strings.TrimSpace(string(value))); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("the locker workspace %s has none of the keys that it may have (credentials, config, google-credentials.json, azure-storage-account, …): bind a Secret with the credentials of the locker's storage", dir)
	}
	return nil
}

// UseRegistrySecret lets the registry client find its credentials in a folder
// with Docker's config.json.
func UseRegistrySecret(w Workspace) error {
	dir := w.Folder()
	if dir == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err != nil {
		return fmt.Errorf("the registry workspace has no config.json: bind a Secret with the key config.json (items: .dockerconfigjson as config.json): %w", err)
	}
	return os.Setenv("DOCKER_CONFIG", dir)
}
