// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// tektonLeftOut are Tekton's manifests that this cluster does without: the
// sender of CloudEvents, and the autoscaler, which needs a metrics server.
var tektonLeftOut = []string{"events.yaml", "config-leader-election-events.yaml", "webhook-hpa.yaml"}

// tektonDeployments are what has to run.
var tektonDeployments = []struct{ namespace, name string }{
	{"tekton-pipelines", "tekton-pipelines-controller"},
	{"tekton-pipelines", "tekton-pipelines-webhook"},
	{"tekton-pipelines-resolvers", "tekton-pipelines-remote-resolvers"},
}

// object is a manifest, as decoded from YAML.
type object = map[string]any

// tektonEdit changes one manifest on its way from Tekton's folder to the
// cluster.
type tektonEdit func(object, tektonImages)

// tektonEdits are all the differences from Tekton as published.
var tektonEdits = []tektonEdit{
	nameVersion,
	nameImages,
	allowRestrictedNamespaces,
	startStepsAtOnce,
	useLocalShell,
	dropTini,
	runAlone,
	electFast,
	speakFreely,
	startFast,
}

// nameVersion writes the version where a release would; tkn shows it.
func nameVersion(o object, _ tektonImages) {
	replaceStrings(o, func(s string) string {
		if s == "devel" {
			return tektonVersion
		}
		return s
	})
}

// nameImages replaces import paths by the images built from them.
func nameImages(o object, images tektonImages) {
	replaceStrings(o, func(s string) string {
		if image, ok := images[s]; ok {
			return image
		}
		return s
	})
}

// allowRestrictedNamespaces makes the containers that Tekton injects fit the
// restricted Pod Security Standard.
func allowRestrictedNamespaces(o object, _ tektonImages) {
	if isObject(o, "ConfigMap", "feature-flags") {
		o["data"].(object)["set-security-context"] = "true"
	}
}

// startStepsAtOnce skips the wait for a service mesh's sidecar, which no pod
// here has.
func startStepsAtOnce(o object, _ tektonImages) {
	if isObject(o, "ConfigMap", "feature-flags") {
		o["data"].(object)["running-in-environment-with-injected-sidecars"] = "false"
	}
}

// useLocalShell names an image for scripts that is in our registry.
func useLocalShell(o object, images tektonImages) {
	if !isObject(o, "Deployment", "tekton-pipelines-controller") {
		return
	}
	for _, container := range containers(o) {
		args, _ := container["args"].([]any)
		if i := slices.Index(args, any("-shell-image")); i >= 0 && i+1 < len(args) {
			args[i+1] = images[busyboxImage]
		}
	}
}

// dropTini runs the resolvers without the init program of Tekton's own base.
func dropTini(o object, _ tektonImages) {
	if isObject(o, "Deployment", "tekton-pipelines-remote-resolvers") {
		for _, container := range containers(o) {
			delete(container, "command")
		}
	}
}

// runAlone drops leader election: there is one replica, and after a crash it
// would wait a minute for the lease of its former self.
func runAlone(o object, _ tektonImages) {
	if isObject(o, "Deployment", "tekton-pipelines-controller") || isObject(o, "Deployment", "tekton-pipelines-webhook") {
		for _, container := range containers(o) {
			args, _ := container["args"].([]any)
			container["args"] = append(args, "-disable-ha")
		}
	}
}

// electFast shortens the lease of the resolvers, which cannot do without one.
func electFast(o object, _ tektonImages) {
	if isObject(o, "ConfigMap", "config-leader-election-resolvers") {
		data := o["data"].(object)
		data["lease-duration"], data["renew-deadline"], data["retry-period"] = "6s", "4s", "1s"
	}
}

// speakFreely lifts the limit on requests to the API server.
func speakFreely(o object, _ tektonImages) {
	if o["kind"] == "Deployment" {
		for _, container := range containers(o) {
			env, _ := container["env"].([]any)
			container["env"] = append(env,
				object{"name": "KUBE_API_QPS", "value": "100"},
				object{"name": "KUBE_API_BURST", "value": "200"},
			)
		}
	}
}

// startFast asks often whether a pod is ready, and reserves little of a small
// machine.
func startFast(o object, _ tektonImages) {
	if o["kind"] != "Deployment" {
		return
	}
	for _, container := range containers(o) {
		container["resources"] = object{"requests": object{"cpu": "10m", "memory": "50Mi"}}
		if probe, ok := container["readinessProbe"].(object); ok {
			probe["initialDelaySeconds"], probe["periodSeconds"] = 1, 1
		}
	}
}

func isObject(o object, kind, name string) bool {
	metadata, _ := o["metadata"].(object)
	return o["kind"] == kind && metadata["name"] == name
}

// containers are those of a Deployment's pods.
func containers(deployment object) []object {
	spec, _ := deployment["spec"].(object)
	template, _ := spec["template"].(object)
	pod, _ := template["spec"].(object)
	list, _ := pod["containers"].([]any)
	var found []object
	for _, item := range list {
		if container, ok := item.(object); ok {
			found = append(found, container)
		}
	}
	return found
}

// replaceStrings maps every string value in a manifest.
func replaceStrings(value any, with func(string) string) any {
	switch v := value.(type) {
	case string:
		return with(v)
	case object:
		for key := range v {
			v[key] = replaceStrings(v[key], with)
		}
	case []any:
		for i := range v {
			v[i] = replaceStrings(v[i], with)
		}
	}
	return value
}

// tektonManifests reads Tekton's folder of manifests and edits them. The result
// is one List, namespaces and kinds first.
func tektonManifests(folder fs.FS, images tektonImages) (string, error) {
	var objects []any
	err := fs.WalkDir(folder, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || path.Ext(file) != ".yaml" || slices.Contains(tektonLeftOut, file) {
			return err
		}
		content, err := fs.ReadFile(folder, file)
		if err != nil {
			return err
		}
		for _, document := range bytes.Split(content, []byte("\n---")) {
			var o object
			if err := yaml.Unmarshal(document, &o); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			if o == nil {
				continue
			}
			for _, edit := range tektonEdits {
				edit(o, images)
			}
			objects = append(objects, o)
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	rank := map[any]int{"Namespace": -2, "CustomResourceDefinition": -1}
	slices.SortStableFunc(objects, func(a, b any) int {
		return rank[a.(object)["kind"]] - rank[b.(object)["kind"]]
	})
	list := toJSON(object{"apiVersion": "v1", "kind": "List", "items": objects})
	if i := strings.Index(list, "ko://"); i >= 0 {
		return "", fmt.Errorf("a command of Tekton has no image: %.80s", list[i:])
	}
	return list, nil
}

// ensureTekton applies Tekton when its manifests have changed, and waits until
// it takes a Task.
func (c *cluster) ensureTekton(ctx context.Context, images tektonImages) error {
	manifests, err := tektonManifests(os.DirFS(c.file("tekton", "config")), images)
	if err != nil {
		return err
	}
	applied := c.data("tekton.applied")
	before, err := os.ReadFile(applied)
	if err != nil || string(before) != digest(manifests) || !c.tektonInstalled(ctx) {
		if err := c.applyTekton(ctx, manifests); err != nil {
			return err
		}
		if err := writeFile(applied, digest(manifests), 0o644); err != nil {
			return err
		}
	}
	for _, d := range tektonDeployments {
		if _, err := c.kubectl(ctx, "rollout", "status", "--namespace="+d.namespace, "deployment/"+d.name, "--timeout=180s"); err != nil {
			pods, _ := c.kubectl(ctx, "get", "pods", "--namespace="+d.namespace)
			return fmt.Errorf("%w\n%s", err, pods)
		}
	}
	return c.retry(ctx, func() error { return c.tektonTakesTasks(ctx) })
}

// applyTekton tries until it succeeds: while Tekton's webhook is starting, the
// API server takes none of its ConfigMaps.
func (c *cluster) applyTekton(ctx context.Context, manifests string) error {
	file := c.config("tekton.json")
	if err := writeFile(file, manifests, 0o644); err != nil {
		return err
	}
	err := c.retry(ctx, func() error {
		_, err := c.kubectl(ctx, "apply", "--server-side", "--force-conflicts", "-f", file)
		return err
	})
	if err == nil {
		c.say("tekton", "applied")
	}
	return err
}

func (c *cluster) tektonInstalled(ctx context.Context) bool {
	for _, d := range tektonDeployments {
		if _, err := c.kubectl(ctx, "get", "--namespace="+d.namespace, "deployment/"+d.name); err != nil {
			return false
		}
	}
	return true
}

// probeTask passes Tekton's webhooks only when they serve.
const probeTask = `apiVersion: tekton.dev/v1
kind: Task
metadata:
  name: probe
  namespace: default
spec:
  steps:
  - name: probe
    image: probe
`

func (c *cluster) tektonTakesTasks(ctx context.Context) error {
	file := c.config("probe-task.yaml")
	if err := writeFile(file, probeTask, 0o644); err != nil {
		return err
	}
	_, err := c.kubectl(ctx, "create", "--dry-run=server", "-f", file)
	return err
}
