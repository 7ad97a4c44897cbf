// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package step

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

func TestJoinMakesOneListOfProblems(t *testing.T) {
	err := Join(nil, Invalid("a"), nil, fmt.Errorf("wrapped: %w", Invalid("b", "c")))
	var invalid *InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("error %v", err)
	}
	if d := cmp.Diff([]string{"a", "b", "c"}, invalid.Problems); d != "" {
		t.Errorf("problems -want +got: %s", d)
	}
	if Join(nil, nil) != nil || Invalid() != nil || Refused() != nil {
		t.Error("no problems make an error")
	}
}

func TestExitCodes(t *testing.T) {
	for sentence, tc := range map[string]struct {
		err  error
		code int
	}{
		"no error":          {nil, ExitOK},
		"the world's fault": {errors.New("x"), ExitFailed},
		"the asker's fault": {fmt.Errorf("x: %w", Invalid("y")), ExitInvalid},
		"both":              {Join(errors.New("x"), Invalid("y")), ExitInvalid},
		"a refusal":         {Refused("x", "y"), ExitRefused},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := ExitCode(tc.err); got != tc.code {
				t.Errorf("got %d, want %d", got, tc.code)
			}
		})
	}
}

func TestAMisspeltFlagIsTheAskersFault(t *testing.T) {
	cmd := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error { return nil }}
	cmd.SetArgs([]string{"--no-such-flag"})
	if got := run(cmd); got != ExitInvalid {
		t.Errorf("exit code %d, want %d", got, ExitInvalid)
	}
}

func TestResultsAreAllWrittenOrNone(t *testing.T) {
	dir := t.TempDir()
	r := Results{"a": filepath.Join(dir, "a"), "b": filepath.Join(dir, "b")}
	for sentence, tc := range map[string]struct {
		values map[string]string
		want   string
	}{
		"one is missing":         {map[string]string{"a": "1"}, "result b has no value"},
		"one has no file":        {map[string]string{"a": "1", "b": "2", "c": "3"}, "result c has no file"},
		"they are far too large": {map[string]string{"a": "1", "b": strings.Repeat("x", 5000)}, "more than the 2048"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if err := r.Write(tc.values); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if found, _ := os.ReadDir(dir); len(found) > 0 {
				t.Errorf("written: %v", found)
			}
		})
	}
	if err := r.Write(map[string]string{"a": "1", "b": ""}); err != nil {
		t.Fatal(err)
	}
	// An empty value is a value: Tekton skips what refers to a missing one.
	if content, err := os.ReadFile(r["b"]); err != nil || len(content) != 0 {
		t.Errorf("b: %q, %v", content, err)
	}
	if err := (Results{}).Write(map[string]string{"a": "1"}); err != nil {
		t.Errorf("outside of Tekton: %v", err)
	}
}

func TestProgressShowsForeignTextHarmlessly(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p := NewProgress(&out, func() time.Time { return now })
	done := p.Begin("Pull request %s", "\x1b[2J\u202e")
	now = now.Add(1500 * time.Millisecond)
	done("ok", nil)
	done("", errors.New("x"))
	want := `Pull request \x1b[2J\u202e: ok (1.5 s)` + "\n" + `Pull request \x1b[2J\u202e: failed (1.5 s)` + "\n"
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Errorf("-want +got: %s", d)
	}
}

func TestWorkspacesThatAreNotBoundAreNotThere(t *testing.T) {
	dir := t.TempDir()
	for sentence, tc := range map[string]struct {
		w    Workspace
		want string
	}{
		"bound":              {Workspace{Path: dir, Bound: "true"}, dir},
		"not bound":          {Workspace{Path: "/workspace/x", Bound: "false"}, ""},
		"given by hand":      {Workspace{Path: dir}, dir},
		"not given":          {Workspace{}, ""},
		"not bound, no path": {Workspace{Bound: "false"}, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := tc.w.Folder(); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	if err := UseLockerSecret(Workspace{Path: dir}); err == nil {
		t.Error("a locker Secret without any file was accepted")
	}
	if err := UseRegistrySecret(Workspace{Path: dir}); err == nil {
		t.Error("a registry Secret without config.json was accepted")
	}
}

func TestParseBool(t *testing.T) {
	for value, want := range map[string]bool{"true": true, "1": true, "TRUE": true, "false": false, "0": false, "": false} {
		if got, err := ParseBool("x", value); got != want || err != nil {
			t.Errorf("%q: %v, %v", value, got, err)
		}
	}
	if _, err := ParseBool("x", "yes please"); ExitCode(err) != ExitInvalid {
		t.Errorf("error %v", err)
	}
}
