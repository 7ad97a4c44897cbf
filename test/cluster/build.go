// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// build puts a component into the cache unless it is there. Two launchers may
// build the same component at once: one waits for the other.
func (c *cluster) build(ctx context.Context, comp component) error {
	dir, err := c.componentDir(comp)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	parent := filepath.Dir(dir)
	unlock, err := lock(filepath.Join(parent, ".lock"), func() {
		c.say(comp.name, "another run is building it; waiting")
	})
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := removeGlob(filepath.Join(parent, ".new-*")); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(parent, ".new-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	what := fmt.Sprintf("building %s", comp.version)
	return c.during(ctx, comp.name, what, func() error {
		if err := c.compile(ctx, comp, filepath.Join(temp, "bin")); err != nil {
			return err
		}
		if err := c.copyModuleFiles(ctx, comp, filepath.Join(temp, "files")); err != nil {
			return err
		}
		return os.Rename(temp, dir)
	})
}

// compile builds a component's commands. The flags are the ones that the
// project's own builds use, so that both share Go's build cache.
func (c *cluster) compile(ctx context.Context, comp component, into string) error {
	args := []string{"build", "-buildvcs=false", "-ldflags", strings.TrimSpace("-s -w " + comp.ldflags)}
	if comp.tags != "" {
		args = append(args, "-tags", comp.tags)
	}
	args = append(args, "-o", into+"/")
	return c.goCommand(ctx, comp, nil, append(args, comp.packages...)...)
}

// copyModuleFiles copies folders out of a component's module, so that a cached
// component needs no module cache.
func (c *cluster) copyModuleFiles(ctx context.Context, comp component, into string) error {
	if comp.module == "" {
		return nil
	}
	var out bytes.Buffer
	if err := c.goCommand(ctx, comp, &out, "list", "-m", "-f", "{{.Dir}}", comp.module); err != nil {
		return err
	}
	for _, folder := range comp.files {
		from := filepath.Join(strings.TrimSpace(out.String()), folder)
		if err := copyTree(filepath.Join(into, folder), from); err != nil {
			return fmt.Errorf("copying %s of %s: %w", folder, comp.module, err)
		}
	}
	return nil
}

func (c *cluster) goCommand(ctx context.Context, comp component, out *bytes.Buffer, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = c.moduleDir(comp)
	cgo := "0"
	if comp.cgo {
		cgo = "1"
	}
	cmd.Env = append(os.Environ(), "GOFLAGS=-trimpath", "GOWORK=off", "CGO_ENABLED="+cgo)
	var problem bytes.Buffer
	cmd.Stderr = &problem
	if out != nil {
		cmd.Stdout = out
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s in %s: %w\n%s", strings.Join(args, " "), cmd.Dir, err, tail(problem.String(), 30))
	}
	return nil
}

func (c *cluster) moduleDir(comp component) string {
	return filepath.Join(c.source, "build", comp.name)
}

// componentDir is the component's folder in the cache. Its name says the
// version, and a digest of all that goes into the build.
func (c *cluster) componentDir(comp component) (string, error) {
	key, err := componentKey(comp, os.DirFS(c.moduleDir(comp)))
	if err != nil {
		return "", fmt.Errorf("reading the build module of %s: %w", comp.name, err)
	}
	return filepath.Join(c.cache, comp.name, key), nil
}

func componentKey(comp component, module fs.FS) (string, error) {
	digest := sha256.New()
	fmt.Fprintln(digest, runtime.GOARCH, comp.packages, comp.ldflags, comp.tags, comp.cgo, comp.module, comp.files)
	files, err := fs.Glob(module, "*")
	if err != nil {
		return "", err
	}
	slices.Sort(files)
	for _, name := range files {
		content, err := fs.ReadFile(module, name)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(digest, name, len(content))
		digest.Write(content)
	}
	return comp.version + "-" + hex.EncodeToString(digest.Sum(nil))[:10], nil
}

// binary is the path of a built command; file of a file copied beside it.
func (c *cluster) binary(componentName, command string) string {
	return filepath.Join(c.mustComponentDir(componentName), "bin", command)
}

func (c *cluster) file(componentName, path string) string {
	return filepath.Join(c.mustComponentDir(componentName), "files", path)
}

// mustComponentDir is for names written in this program: a wrong one is a bug.
func (c *cluster) mustComponentDir(name string) string {
	comp, err := findComponent(name)
	if err != nil {
		panic(err)
	}
	dir, err := c.componentDir(comp)
	if err != nil {
		panic(err)
	}
	return dir
}

// copyTree copies a folder of plain files and makes the copy writable, which
// files in a module cache are not.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
}

func removeGlob(pattern string) error {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// tail is the end of a text, at most so many lines.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return strings.Join(all, "\n")
}
