// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// journal notes the order in which tasks run.
type journal struct {
	mu    sync.Mutex
	names []string
}

func (j *journal) task(name string, err error, after ...string) task {
	return task{name, after, func(context.Context) error {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.names = append(j.names, name)
		return err
	}}
}

func TestRunTasks(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		tasks   func(*journal) []task
		want    []string
		wantErr string
	}{
		"a task runs after those it names": {
			tasks: func(j *journal) []task {
				return []task{j.task("a", nil), j.task("b", nil, "a"), j.task("c", nil, "a", "b")}
			},
			want: []string{"a", "b", "c"},
		},
		"what comes after a failure does not run": {
			tasks: func(j *journal) []task {
				return []task{j.task("a", broken), j.task("b", nil, "a"), j.task("c", nil, "b")}
			},
			want:    []string{"a"},
			wantErr: "a: broken",
		},
		"a task above the one that it names is refused": {
			tasks:   func(j *journal) []task { return []task{j.task("a", nil, "b"), j.task("b", nil)} },
			wantErr: `task "a" comes after "b", which is not above it`,
		},
		"a name twice is refused": {
			tasks:   func(j *journal) []task { return []task{j.task("a", nil), j.task("a", nil)} },
			wantErr: `task "a" is there twice`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var j journal
			err := runTasks(t.Context(), test.tasks(&j))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(test.wantErr, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.want, j.names); diff != "" {
				t.Errorf("tasks run (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRunTasksStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var j journal
	if err := runTasks(ctx, []task{j.task("a", nil)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if len(j.names) > 0 {
		t.Errorf("ran %v", j.names)
	}
}

func TestWithout(t *testing.T) {
	var j journal
	tasks := []task{j.task("a", nil), j.task("b", nil, "a"), j.task("c", nil, "a", "b")}
	var got [][]string
	for _, kept := range without(tasks, map[string]bool{"b": true}) {
		got = append(got, append([]string{kept.name}, kept.after...))
	}
	if diff := cmp.Diff([][]string{{"a"}, {"c", "a"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestUpTasks(t *testing.T) {
	tasks := testCluster(t).upTasks()
	if err := checkTasks(tasks); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, task := range tasks {
		names[task.name] = true
	}
	for part, tasksOfPart := range optional {
		leave := map[string]bool{}
		for _, name := range tasksOfPart {
			if !names[name] {
				t.Errorf("--without %s names the task %q, which does not exist", part, name)
			}
			leave[name] = true
		}
		if err := checkTasks(without(tasks, leave)); err != nil {
			t.Errorf("--without %s: %v", part, err)
		}
	}
}

func TestEveryDaemonCanBeStopped(t *testing.T) {
	c := testCluster(t)
	// The secrets of the optional ones make `daemons` describe them, too.
	for _, name := range []string{"gitea-secret-key", "s3-access-key"} {
		if _, err := c.secretValue(name, 4); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, d := range c.daemons() {
		got = append(got, d.name)
	}
	want := slices.Clone(daemonNames)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("daemons that up starts and down stops differ (-down +up):\n%s", diff)
	}
}

// testCluster is a cluster whose folders are the test's.
func testCluster(t *testing.T) *cluster {
	t.Helper()
	source, err := findSource()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return &cluster{
		layout:   layout{source: source, cache: dir + "/cache", state: dir + "/state", run: dir + "/run"},
		progress: newProgress(&strings.Builder{}),
	}
}
