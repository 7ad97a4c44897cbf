// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package step

import (
	"fmt"
	"os"
	"path/filepath"
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

// UseLockerSecret lets the AWS client find its credentials in a folder with the
// AWS tools' files credentials and config, either of which may be missing.
func UseLockerSecret(w Workspace) error {
	return useFiles(w.Folder(), map[string]string{
		"credentials": "AWS_SHARED_CREDENTIALS_FILE",
		"config":      "AWS_CONFIG_FILE",
	})
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

func useFiles(dir string, variables map[string]string) error {
	if dir == "" {
		return nil
	}
	found := false
	for key, variable := range variables {
		path := filepath.Join(dir, key)
		if _, err := os.Stat(path); err != nil {
			continue
		}
		found = true
		if err := os.Setenv(variable, path); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("the locker workspace %s has neither credentials nor config: bind a Secret with the AWS tools' files as keys", dir)
	}
	return nil
}
