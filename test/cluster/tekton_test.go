// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const controllerYAML = `# A comment.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: tekton-pipelines-controller
  labels:
    version: "devel"
spec:
  template:
    spec:
      containers:
      - name: c
        image: ko://example.com/controller
        args: ["-shell-image", "example.com/busybox@sha256:0"]
        readinessProbe:
          periodSeconds: 10
---
apiVersion: v1
kind: Service
metadata:
  name: s
`

func TestTektonManifests(t *testing.T) {
	folder := fstest.MapFS{
		"100-namespace/100-namespace.yaml": {Data: []byte("kind: Namespace\nmetadata:\n  name: first\n")},
		"config-feature-flags.yaml":        {Data: []byte("kind: ConfigMap\nmetadata:\n  name: feature-flags\ndata:\n  set-security-context: \"false\"\n")},
		"controller.yaml":                  {Data: []byte(controllerYAML)},
		"dummy.go":                         {Data: []byte("package config\n")},
		"events.yaml":                      {Data: []byte("kind: Deployment\n")},
		"z-crd.yaml":                       {Data: []byte("kind: CustomResourceDefinition\n")},
	}
	images := tektonImages{"ko://example.com/controller": "controller@sha256:1", busyboxImage: "busybox@sha256:2"}
	manifests, err := tektonManifests(folder, images)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Items []object }
	if err := json.Unmarshal([]byte(manifests), &got); err != nil {
		t.Fatal(err)
	}
	want := []object{
		{"kind": "Namespace", "metadata": object{"name": "first"}},
		{"kind": "CustomResourceDefinition"},
		{"kind": "ConfigMap", "metadata": object{"name": "feature-flags"}, "data": object{
			"set-security-context":                          "true",
			"running-in-environment-with-injected-sidecars": "false",
		}},
		{
			"apiVersion": "apps/v1", "kind": "Deployment",
			"metadata": object{"name": "tekton-pipelines-controller", "labels": object{"version": "v1.15.0"}},
			"spec": object{"template": object{"spec": object{"containers": []any{object{
				"name":  "c",
				"image": "controller@sha256:1",
				"args":  []any{"-shell-image", "busybox@sha256:2", "-disable-ha"},
				"env": []any{
					object{"name": "KUBE_API_QPS", "value": "100"},
					object{"name": "KUBE_API_BURST", "value": "200"},
				},
				"resources":      object{"requests": object{"cpu": "10m", "memory": "50Mi"}},
				"readinessProbe": object{"initialDelaySeconds": 1.0, "periodSeconds": 1.0},
			}}}}},
		},
		{"apiVersion": "v1", "kind": "Service", "metadata": object{"name": "s"}},
	}
	if diff := cmp.Diff(want, got.Items); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTektonManifestsNeedEveryImage(t *testing.T) {
	folder := fstest.MapFS{"controller.yaml": {Data: []byte(controllerYAML)}}
	_, err := tektonManifests(folder, tektonImages{})
	if err == nil || !strings.Contains(err.Error(), "ko://example.com/controller") {
		t.Errorf("got %v, want the command that has no image", err)
	}
}
