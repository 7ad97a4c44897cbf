// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package config_test checks the manifests of this folder as a whole.
package config_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const namespace = "countersign"

func objects(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifests: %v", err)
	}
	var found []*unstructured.Unstructured
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
		for {
			object := &unstructured.Unstructured{}
			err := decoder.Decode(object)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if len(object.Object) > 0 {
				found = append(found, object)
			}
		}
	}
	return found
}

func as[T any](t *testing.T, object *unstructured.Unstructured) *T {
	t.Helper()
	typed := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, typed, true); err != nil {
		t.Fatalf("%s %s: %v", object.GetKind(), object.GetName(), err)
	}
	return typed
}

func TestObjectsCarryLabels(t *testing.T) {
	for _, object := range objects(t) {
		for label, want := range map[string]string{"app.kubernetes.io/name": "countersign", "app.kubernetes.io/part-of": "countersign"} {
			if got := object.GetLabels()[label]; got != want {
				t.Errorf("%s %s: label %s is %q, want %q", object.GetKind(), object.GetName(), label, got, want)
			}
		}
	}
}

// The installer tells people which cluster-scoped objects it makes.
func TestClusterScopedObjectsAreListed(t *testing.T) {
	var got []string
	for _, object := range objects(t) {
		switch object.GetNamespace() {
		case "":
			got = append(got, object.GetKind()+"/"+object.GetName())
		case namespace:
		default:
			t.Errorf("%s %s lies in namespace %s", object.GetKind(), object.GetName(), object.GetNamespace())
		}
	}
	slices.Sort(got)

	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(readme), "<!-- cluster-scoped: begin")
	list, _, _ := strings.Cut(after, "<!-- cluster-scoped: end -->")
	var want []string
	for line := range strings.Lines(list) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "- "); ok {
			want = append(want, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("README.md lists other objects (-README +manifests):\n%s", diff)
	}
}

func TestRolesGrantNoWildcardsAndNoSecrets(t *testing.T) {
	for _, object := range objects(t) {
		if object.GetKind() != "ClusterRole" && object.GetKind() != "Role" {
			continue
		}
		for _, rule := range as[rbacv1.ClusterRole](t, object).Rules {
			for _, words := range [][]string{rule.APIGroups, rule.Resources, rule.Verbs} {
				if slices.Contains(words, "*") {
					t.Errorf("%s %s grants %v", object.GetKind(), object.GetName(), rule)
				}
			}
			if object.GetKind() == "ClusterRole" && slices.Contains(rule.Resources, "secrets") {
				t.Errorf("ClusterRole %s reaches Secrets", object.GetName())
			}
			if slices.Contains(rule.Verbs, "delete") {
				t.Errorf("%s %s may delete %v", object.GetKind(), object.GetName(), rule.Resources)
			}
		}
	}
}

func TestDeploymentsAreRestricted(t *testing.T) {
	deployments := 0
	for _, object := range objects(t) {
		if object.GetKind() != "Deployment" {
			continue
		}
		deployments++
		pod := as[appsv1.Deployment](t, object).Spec.Template.Spec
		if pod.SecurityContext == nil || pod.SecurityContext.RunAsNonRoot == nil || !*pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.SeccompProfile == nil {
			t.Errorf("Deployment %s: pod security context %v", object.GetName(), pod.SecurityContext)
		}
		for _, container := range pod.Containers {
			security := container.SecurityContext
			if security == nil || security.ReadOnlyRootFilesystem == nil || !*security.ReadOnlyRootFilesystem ||
				security.AllowPrivilegeEscalation == nil || *security.AllowPrivilegeEscalation ||
				security.Capabilities == nil || !slices.Contains(security.Capabilities.Drop, "ALL") {
				t.Errorf("Deployment %s: security context %v", object.GetName(), security)
			}
			if container.ReadinessProbe == nil || container.LivenessProbe == nil || container.Resources.Requests.Cpu().IsZero() || container.Resources.Limits.Memory().IsZero() {
				t.Errorf("Deployment %s lacks probes or resources", object.GetName())
			}
			command, ok := strings.CutPrefix(container.Image, "ko://github.com/countersign-dev/countersign/")
			if _, err := os.Stat(filepath.Join("..", command, "main.go")); !ok || err != nil {
				t.Errorf("Deployment %s: image %s is none of our programs", object.GetName(), container.Image)
			}
		}
	}
	if deployments != 2 {
		t.Errorf("%d Deployments, want 2", deployments)
	}
}
