// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package runstage lays out what a stage's script works on, and runs it.
//
// Prepare and Exec are two containers of one pod, in two images, with a folder
// between them:
//
//	run-stage     the program of the second container
//	stage.json    the environment of the script
//	script        the script
//	bundle/       the files of the change: delta.json, inventory/, config/, …
//	home/         the script's home, writable
package runstage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/bundle"
	"github.com/countersign-dev/countersign/pkg/stage"
)

// Names in the folder between the two steps.
const (
	Program     = "run-stage"
	settings    = "stage.json"
	script      = "script"
	bundleDir   = "bundle"
	homeDir     = "home"
	configDir   = bundleDir + "/config"
	maxSettings = 1 << 20
)

// Stage is what a stage is told, as parameters.
type Stage struct {
	Name              string
	Image             string
	Bundle            string
	ChangeRequest     string
	DeploymentReady   string
	TargetEnvironment string
	Region            string
	PipelineName      string
}

// Prepare fetches the bundle and lays out the folder.
func Prepare(ctx context.Context, s Stage, dir string, opts ...bundle.Option) error {
	if err := s.check(dir); err != nil {
		return err
	}
	b, err := bundle.Fetch(ctx, s.Bundle, opts...)
	if err != nil {
		return err
	}
	if err := b.Extract(ctx, filepath.Join(dir, bundleDir)); err != nil {
		return err
	}
	text, err := readScript(dir, s)
	if err != nil {
		return err
	}
	if err := stage.WriteScript(filepath.Join(dir, script), text); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, homeDir), 0o700); err != nil {
		return fmt.Errorf("make the script's home: %w", err)
	}
	// The image may run as another user, whatever this process's umask is.
	if err := os.Chmod(filepath.Join(dir, homeDir), 0o777); err != nil {
		return fmt.Errorf("make the script's home: %w", err)
	}
	content, err := json.MarshalIndent(s.environment(dir), "", "  ")
	if err != nil {
		return fmt.Errorf("write the script's environment: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, settings), content, 0o600); err != nil {
		return fmt.Errorf("write the script's environment: %w", err)
	}
	if err := os.Chmod(filepath.Join(dir, settings), 0o644); err != nil {
		return fmt.Errorf("write the script's environment: %w", err)
	}
	return nil
}

func (s *Stage) check(dir string) error {
	var problems []string
	if !slices.Contains(stage.Names, s.Name) {
		problems = append(problems, fmt.Sprintf("parameter stage is %.80q, want %s", s.Name, strings.Join(stage.Names, ", ")))
	}
	if _, _, err := bundle.Reference(s.Bundle); err != nil {
		problems = append(problems, "parameter bundle: "+err.Error())
	}
	if dir == "" {
		problems = append(problems, "flag --dir is missing")
	}
	for name, value := range s.environment(dir) {
		if strings.ContainsRune(value, 0) {
			problems = append(problems, fmt.Sprintf("the value of %s holds a NUL character", name))
		}
	}
	slices.Sort(problems)
	return step.Invalid(problems...)
}

// readScript finds the stage in the bundle's own stage file. The image that the
// Task runs must be the one that stands beside the script: approval was given to
// both.
func readScript(dir string, s Stage) (string, error) {
	root, err := os.OpenRoot(filepath.Join(dir, configDir))
	if err != nil {
		return "", step.Refused(fmt.Sprintf("bundle %s holds no configuration: it is not the bundle of a change", s.Bundle))
	}
	defer root.Close()
	content, err := root.ReadFile(stage.FileName)
	if errors.Is(err, fs.ErrNotExist) {
		return "", step.Refused(fmt.Sprintf("the configuration in bundle %s has no %s", s.Bundle, stage.FileName))
	}
	if err != nil {
		return "", fmt.Errorf("read %s of bundle %s: %w", stage.FileName, s.Bundle, err)
	}
	file, err := stage.Parse(stage.FileName, content)
	if err != nil {
		return "", step.Invalid(strings.Split(err.Error(), "\n")...)
	}
	found, ok := file.Stage(s.Name)
	if !ok {
		return "", step.Refused(fmt.Sprintf("%s in bundle %s has no stage %q", stage.FileName, s.Bundle, s.Name))
	}
	if s.Image != "" && s.Image != found.Image {
		return "", step.Refused(fmt.Sprintf("parameter image is %q, but stage %q of the change is to run in %q", s.Image, s.Name, found.Image))
	}
	return found.Script, nil
}

// environment is what a script may rely on, besides the image's own.
func (s *Stage) environment(dir string) map[string]string {
	in := func(elements ...string) string {
		return filepath.Join(append([]string{dir}, elements...)...)
	}
	return map[string]string{
		"CHANGE_REQUEST_ID":               s.ChangeRequest,
		"CONFIG_PATH":                     in(configDir),
		"DEPLOYMENT_DELTA_DELETIONS_PATH": in(bundleDir, "deletions.json"),
		"DEPLOYMENT_DELTA_PATH":           in(bundleDir, "delta.json"),
		"DEPLOYMENT_READY":                s.DeploymentReady,
		"HOME":                            in(homeDir),
		"INVENTORY_ENTRIES_PATH":          in(bundleDir, "entries.json"),
		"INVENTORY_PATH":                  in(bundleDir, "inventory"),
		"PIPELINE_NAME":                   s.PipelineName,
		"REGION":                          s.Region,
		"STAGE":                           s.Name,
		"TARGET_ENVIRONMENT":              s.TargetEnvironment,
	}
}

// Exec runs the script that was prepared, on top of the image's environment.
func Exec(ctx context.Context, dir string, image []string, stdout, stderr io.Writer) (int, error) {
	file, err := os.Open(filepath.Join(dir, settings))
	if err != nil {
		return step.ExitFailed, fmt.Errorf("run-stage exec without run-stage prepare: %w", err)
	}
	defer file.Close()
	values := map[string]string{}
	if err := json.NewDecoder(io.LimitReader(file, maxSettings)).Decode(&values); err != nil {
		return step.ExitFailed, fmt.Errorf("read the script's environment: %w", err)
	}
	return stage.Exec(ctx, stage.Run{
		Script: filepath.Join(dir, script),
		Dir:    filepath.Join(dir, configDir),
		Env:    overlay(image, values),
		Stdout: stdout,
		Stderr: stderr,
	})
}

// overlay replaces and adds variables.
func overlay(env []string, values map[string]string) []string {
	out := slices.DeleteFunc(slices.Clone(env), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		_, replaced := values[name]
		return replaced
	})
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out = append(out, name+"="+values[name])
	}
	return out
}
