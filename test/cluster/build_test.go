// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func TestComponentKey(t *testing.T) {
	comp := component{name: "x", version: "v1.2.3", packages: []string{"."}}
	module := fstest.MapFS{
		"go.mod": {Data: []byte("module x\n")},
		"go.sum": {Data: []byte("a\n")},
	}
	key := func(comp component, module fstest.MapFS) string {
		t.Helper()
		key, err := componentKey(comp, module)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	first := key(comp, module)
	if !strings.HasPrefix(first, "v1.2.3-") {
		t.Errorf("key %q does not start with the version", first)
	}
	if again := key(comp, module); again != first {
		t.Errorf("the same module has the keys %q and %q", first, again)
	}
	flags := comp
	flags.ldflags = "-X a.b=c"
	if key(flags, module) == first {
		t.Error("other flags have the same key")
	}
	module["go.sum"] = &fstest.MapFile{Data: []byte("b\n")}
	if key(comp, module) == first {
		t.Error("another go.sum has the same key")
	}
}

// The version that the table shows, and that is part of the cache's key, must
// be the one that the build module pins.
func TestVersionsAreThoseOfTheModules(t *testing.T) {
	source, err := findSource()
	if err != nil {
		t.Fatal(err)
	}
	for _, comp := range components {
		if comp.name == "pause" {
			continue // our own
		}
		content, err := os.ReadFile(filepath.Join(source, "build", comp.name, "go.mod"))
		if err != nil {
			t.Error(err)
			continue
		}
		pinned := regexp.MustCompile(`(?m)/` + comp.name + `(/v\d+)? ` + regexp.QuoteMeta(comp.version) + `\b`)
		switch comp.name {
		case "registry":
			pinned = regexp.MustCompile(`distribution/v3 ` + regexp.QuoteMeta(comp.version))
		case "tekton":
			pinned = regexp.MustCompile(`tektoncd/pipeline ` + regexp.QuoteMeta(comp.version))
		case "tkn":
			pinned = regexp.MustCompile(`tektoncd/cli ` + regexp.QuoteMeta(comp.version))
		}
		if !pinned.Match(content) {
			t.Errorf("build/%s/go.mod does not require %s", comp.name, comp.version)
		}
	}
}

func TestDaemonVersionsAreThoseOfTheComponents(t *testing.T) {
	c := testCluster(t)
	for _, d := range []daemon{c.registry(), c.apiserver(), c.dns()} {
		component := filepath.Base(filepath.Dir(filepath.Dir(filepath.Dir(d.command[0]))))
		comp, err := findComponent(component)
		if err != nil {
			t.Error(err)
		} else if comp.version != d.version {
			t.Errorf("%s shows the version %s, it is built from %s", d.name, d.version, comp.version)
		}
	}
}

func TestTail(t *testing.T) {
	if got, want := tail("a\nb\nc\n", 2), "b\nc"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
