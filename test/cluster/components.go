// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"slices"
)

// component is a part that is built once into the cache. Its module, with the
// version and the checksums of everything in it, is build/<name>.
type component struct {
	name     string
	version  string
	packages []string // commands to build; "." is the module's own
	ldflags  string
	tags     string
	cgo      bool
	// module and files name folders of a module that lie beside the binaries.
	module string
	files  []string
}

const (
	kubernetesVersion = "v1.34.4"
	tektonVersion     = "v1.15.0"
	tektonModule      = "github.com/tektoncd/pipeline"
	giteaModule       = "code.gitea.io/gitea"
)

// components lists what is built, in the order in which `up` needs it.
var components = []component{
	{
		name:     "pause",
		version:  "v1",
		packages: []string{"."},
	},
	{
		name:     "registry",
		version:  "v3.1.2",
		packages: []string{"."},
	},
	{
		name:    "kubernetes",
		version: kubernetesVersion,
		packages: []string{
			"k8s.io/kubernetes/cmd/kube-apiserver",
			"k8s.io/kubernetes/cmd/kube-controller-manager",
			"k8s.io/kubernetes/cmd/kube-scheduler",
			"k8s.io/kubernetes/cmd/kube-proxy",
			"k8s.io/kubernetes/cmd/kubelet",
			"k8s.io/kubernetes/cmd/kubectl",
		},
		ldflags: "-X k8s.io/component-base/version.gitVersion=" + kubernetesVersion +
			" -X k8s.io/component-base/version.gitMajor=1" +
			" -X k8s.io/component-base/version.gitMinor=34",
	},
	{
		name:     "coredns",
		version:  "v1.14.7",
		packages: []string{"."},
	},
	{
		name:    "tekton",
		version: tektonVersion,
		packages: []string{
			tektonModule + "/cmd/controller",
			tektonModule + "/cmd/webhook",
			tektonModule + "/cmd/resolvers",
			tektonModule + "/cmd/entrypoint",
			tektonModule + "/cmd/nop",
			tektonModule + "/cmd/workingdirinit",
			tektonModule + "/cmd/sidecarlogresults",
		},
		module: tektonModule,
		files:  []string{"config"},
	},
	{
		name:     "versitygw",
		version:  "v1.8.0",
		packages: []string{"github.com/versity/versitygw/cmd/versitygw"},
	},
	{
		name:     "gitea",
		version:  "v1.26.0",
		packages: []string{giteaModule},
		ldflags:  "-X main.Version=1.26.0",
		tags:     "sqlite sqlite_unlock_notify",
		cgo:      true,
		module:   giteaModule,
		files:    []string{"options", "public", "templates"},
	},
	{
		name:     "ko",
		version:  "v0.19.1",
		packages: []string{"github.com/google/ko"},
		ldflags:  "-X github.com/google/ko/pkg/commands.Version=v0.19.1",
	},
	{
		name:     "tkn",
		version:  "v0.39.0",
		packages: []string{"github.com/tektoncd/cli/cmd/tkn"},
		ldflags:  "-X github.com/tektoncd/cli/pkg/cmd/version.clientVersion=0.39.0",
	},
}

// optional maps what `up --without` can leave out to the tasks that go with it.
var optional = map[string][]string{
	"gitea":  {"build gitea", "gitea"},
	"ko":     {"build ko"},
	"s3":     {"build versitygw", "s3"},
	"tekton": {"build tekton", "tekton images", "tekton"},
	"tkn":    {"build tkn"},
}

func findComponent(name string) (component, error) {
	for _, c := range components {
		if c.name == name {
			return c, nil
		}
	}
	return component{}, fmt.Errorf("no component %q; there are %v", name, componentNames())
}

func componentNames() []string {
	names := []string{debianName}
	for _, c := range components {
		names = append(names, c.name)
	}
	return names
}

func optionalNames() []string { return slices.Sorted(maps.Keys(optional)) }
