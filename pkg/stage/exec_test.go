// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// script writes a script and returns a Run of it that keeps its output.
func script(t *testing.T, text string) (Run, *bytes.Buffer) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "script")
	if err := WriteScript(path, text); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	return Run{Script: path, Dir: dir, Env: []string{"PATH=/bin:/usr/bin", "NAME=$(id)"}, Stdout: &out, Stderr: &out}, &out
}

func TestExec(t *testing.T) {
	for sentence, tc := range map[string]struct {
		script string
		code   int
		out    string
		err    string
	}{
		"the kernel starts the interpreter of the first line": {script: "#!/bin/cat\nhello\n", out: "#!/bin/cat\nhello\n"},
		"without one it is /bin/sh":                           {script: "echo ok; exit 3", code: 3, out: "ok\n"},
		"which ends at the first command that fails":          {script: "false\necho not reached", code: 1},
		"an interpreter named by the script does not":         {script: "#!/bin/sh\nfalse\necho reached", out: "reached\n"},
		"a single character is a script":                      {script: ":"},
		"the environment is data":                             {script: `echo "$NAME"`, out: "$(id)\n"},
		"the working directory is ours":                       {script: "ls", out: "script\n"},
		"errors and output come in order":                     {script: "echo a; echo b >&2; echo c", out: "a\nb\nc\n"},
		"a signal's number is the exit code":                  {script: "kill -9 $$", code: 128 + 9},
		"an interpreter that the image lacks is named":        {script: "#!/no/such/python -u\n", code: ExitNotFound, err: `does not have the interpreter "/no/such/python -u"`},
	} {
		t.Run(sentence, func(t *testing.T) {
			run, out := script(t, tc.script)
			code, err := Exec(t.Context(), run)
			if code != tc.code || out.String() != tc.out {
				t.Errorf("code %d, output %q; want %d, %q", code, out, tc.code, tc.out)
			}
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("error %v, want %q", err, tc.err)
			}
		})
	}
}

func TestExecWithoutAScript(t *testing.T) {
	code, err := Exec(t.Context(), Run{Script: filepath.Join(t.TempDir(), "none")})
	if code != ExitNotFound || err == nil {
		t.Errorf("code %d, error %v", code, err)
	}
}

// awaited is an output that tells when a text has arrived.
type awaited struct {
	got     bytes.Buffer
	text    string
	arrived chan struct{}
}

func (a *awaited) Write(p []byte) (int, error) {
	n, err := a.got.Write(p)
	if a.arrived != nil && strings.Contains(a.got.String(), a.text) {
		close(a.arrived)
		a.arrived = nil
	}
	return n, err
}

func TestSignalsReachTheScript(t *testing.T) {
	run, _ := script(t, `trap 'echo got it; exit 7' TERM; echo ready; while :; do sleep 0.01; done`)
	ready := make(chan struct{})
	run.Stdout = &awaited{text: "ready", arrived: ready}
	go func() {
		<-ready
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}()
	code, err := Exec(t.Context(), run)
	if code != 7 || err != nil {
		t.Errorf("code %d, error %v; want 7", code, err)
	}
}

func TestCancellingEndsAllThatTheScriptStarted(t *testing.T) {
	run, _ := script(t, `trap '' TERM; (trap '' TERM; echo child $$; while :; do sleep 0.01; done) & wait; while :; do sleep 0.01; done`)
	ready := make(chan struct{})
	run.Stdout = &awaited{text: "child", arrived: ready}
	run.Grace = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-ready
		cancel()
	}()
	code, err := Exec(ctx, run)
	if code != 128+9 || err != nil {
		t.Errorf("code %d, error %v; want %d", code, err, 128+9)
	}
}
