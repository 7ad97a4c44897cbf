// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package manifests

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	pipelinev1beta1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const root = "../.."

// files finds manifests; none is a mistake of the test.
func files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: found %v, %v", pattern, found, err)
	}
	return found
}

// read parses a manifest of one document, strictly.
func read[T any](t *testing.T, file string) *T {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out T
	if err := yaml.UnmarshalStrict(content, &out); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return &out
}

func TestTasks(t *testing.T) {
	for _, file := range files(t, "tasks/*/*/*.yaml") {
		t.Run(file, func(t *testing.T) {
			task := read[pipelinev1.Task](t, file)
			checkMeta(t, file, task.ObjectMeta)
			task.SetDefaults(t.Context())
			if err := task.Validate(t.Context()); err != nil {
				t.Errorf("Tekton refuses it: %v", err)
			}
			if task.Spec.Description == "" {
				t.Error("no description")
			}
			checkParams(t, task.Spec.Params)
			results := 0
			for _, r := range task.Spec.Results {
				results++
				if r.Description == "" {
					t.Errorf("result %s has no description", r.Name)
				}
			}
			for _, w := range task.Spec.Workspaces {
				if !w.Optional || w.Description == "" {
					t.Errorf("workspace %s: want optional and described", w.Name)
				}
			}
			for _, step := range task.Spec.Steps {
				checkStep(t, step.Name, step.Script, step.Image, step.SecurityContext)
				if step.ComputeResources.Requests.Cpu().IsZero() || step.ComputeResources.Requests.Memory().IsZero() {
					t.Errorf("step %s requests nothing", step.Name)
				}
				checkArguments(t, step.Args, task.Spec)
			}
		})
	}
}

// checkMeta holds a manifest to the rules of the Tekton catalogue.
func checkMeta(t *testing.T, file string, meta metav1.ObjectMeta) {
	t.Helper()
	version := filepath.Base(filepath.Dir(file))
	if meta.Name != strings.TrimSuffix(filepath.Base(file), ".yaml") || meta.Name != filepath.Base(filepath.Dir(filepath.Dir(file))) {
		t.Errorf("the name %q does not agree with the path", meta.Name)
	}
	if meta.Labels["app.kubernetes.io/version"] != version {
		t.Errorf("the version label is %q, the folder %s", meta.Labels["app.kubernetes.io/version"], version)
	}
	for _, key := range []string{"pipelines.minVersion", "categories", "tags", "displayName", "platforms"} {
		if meta.Annotations["tekton.dev/"+key] == "" {
			t.Errorf("annotation tekton.dev/%s is missing", key)
		}
	}
	content, err := os.ReadFile(filepath.Join(filepath.Dir(file), "README.md"))
	if err != nil {
		t.Errorf("no README: %v", err)
	}
	if !strings.HasPrefix(string(content), "# ") {
		t.Error("the README has no title")
	}
	if strings.Contains(file, "/stepactions/") {
		return // a StepAction runs in a Task: examples/compose-your-own
	}
	if samples, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "samples", "*.yaml")); len(samples) == 0 {
		t.Error("no sample")
	}
}

func checkParams(t *testing.T, params pipelinev1.ParamSpecs) {
	t.Helper()
	for _, p := range params {
		if p.Description == "" || p.Type != pipelinev1.ParamTypeString {
			t.Errorf("parameter %s: want a string with a description", p.Name)
		}
	}
}

// checkStep holds a step to the restricted Pod Security Standard and to our own
// rule that nothing is ever pasted into a script.
func checkStep(t *testing.T, name, script, image string, sc *corev1.SecurityContext) {
	t.Helper()
	if script != "" {
		t.Errorf("step %s has a script", name)
	}
	if image != "$(params.image)" && !strings.HasPrefix(image, "ko://github.com/countersign-dev/countersign/cmd/") {
		t.Errorf("step %s has image %s", name, image)
	}
	if sc == nil || sc.RunAsNonRoot == nil || !*sc.RunAsNonRoot || sc.AllowPrivilegeEscalation == nil || *sc.AllowPrivilegeEscalation ||
		sc.Capabilities == nil || !slices.Equal(sc.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(sc.Capabilities.Add) > 0 ||
		sc.SeccompProfile == nil || sc.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || sc.RunAsUser == nil {
		t.Errorf("step %s does not meet the restricted Pod Security Standard: %+v", name, sc)
	}
	if image != "$(params.image)" && (sc.ReadOnlyRootFilesystem == nil || !*sc.ReadOnlyRootFilesystem) {
		t.Errorf("step %s may write to its image", name)
	}
}

// checkArguments makes sure that a workspace's path never comes without whether
// it is bound, and that every result has its file.
func checkArguments(t *testing.T, args []string, spec pipelinev1.TaskSpec) {
	t.Helper()
	all := strings.Join(args, "\n")
	for _, w := range spec.Workspaces {
		path, bound := strings.Contains(all, "$(workspaces."+w.Name+".path)"), strings.Contains(all, "$(workspaces."+w.Name+".bound)")
		if path != bound {
			t.Errorf("workspace %s: path and bound go together", w.Name)
		}
	}
	if len(spec.Results) == 0 || !strings.Contains(all, "--result=") {
		return
	}
	for _, r := range spec.Results {
		if want := fmt.Sprintf("--result=%s=$(results.%s.path)", r.Name, r.Name); !slices.Contains(args, want) {
			t.Errorf("result %s is not written: want %s", r.Name, want)
		}
	}
}

func TestStepActions(t *testing.T) {
	for _, file := range files(t, "stepactions/*/*/*.yaml") {
		t.Run(file, func(t *testing.T) {
			action := read[pipelinev1beta1.StepAction](t, file)
			checkMeta(t, file, action.ObjectMeta)
			action.SetDefaults(t.Context())
			if err := action.Validate(t.Context()); err != nil {
				t.Errorf("Tekton refuses it: %v", err)
			}
			checkParams(t, action.Spec.Params)
			checkStep(t, action.Name, action.Spec.Script, action.Spec.Image, action.Spec.SecurityContext)
		})
	}
}

func TestPipelines(t *testing.T) {
	for _, file := range files(t, "pipelines/*/*/*.yaml") {
		t.Run(file, func(t *testing.T) {
			pipeline := read[pipelinev1.Pipeline](t, file)
			checkMeta(t, file, pipeline.ObjectMeta)
			pipeline.SetDefaults(t.Context())
			if err := pipeline.Validate(t.Context()); err != nil {
				t.Errorf("Tekton refuses it: %v", err)
			}
			checkParams(t, pipeline.Spec.Params)
			for _, task := range append(slices.Clone(pipeline.Spec.Tasks), pipeline.Spec.Finally...) {
				if task.TaskRef == nil || task.TaskRef.Name == "" {
					continue
				}
				checkCall(t, task)
			}
			unused(t, file, pipeline.Spec.Params)
		})
	}
}

// checkCall compares a pipeline task with the Task of this repository that it
// refers to: Tekton would ignore a parameter that is misspelt.
func checkCall(t *testing.T, call pipelinev1.PipelineTask) {
	t.Helper()
	task := read[pipelinev1.Task](t, files(t, "tasks/"+call.TaskRef.Name+"/*/*.yaml")[0])
	given := map[string]bool{}
	for _, p := range call.Params {
		given[p.Name] = true
		if !slices.ContainsFunc(task.Spec.Params, func(s pipelinev1.ParamSpec) bool { return s.Name == p.Name }) {
			t.Errorf("task %s: Task %s has no parameter %s", call.Name, task.Name, p.Name)
		}
	}
	for _, p := range task.Spec.Params {
		if p.Default == nil && !given[p.Name] {
			t.Errorf("task %s: parameter %s of Task %s is missing", call.Name, p.Name, task.Name)
		}
	}
}

func unused(t *testing.T, file string, params pipelinev1.ParamSpecs) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range params {
		if !strings.Contains(string(content), "$(params."+p.Name+")") {
			t.Errorf("parameter %s is used nowhere", p.Name)
		}
	}
}

var update = flag.Bool("update", false, "write the generated part of READMEs")

// TestReadmesListWhatTheManifestsHave compares the generated part of each README
// with its manifest; with -update it writes it.
func TestReadmesListWhatTheManifestsHave(t *testing.T) {
	for _, file := range slices.Concat(files(t, "tasks/*/*/*.yaml"), files(t, "stepactions/*/*/*.yaml"), files(t, "pipelines/*/*/*.yaml")) {
		readme := filepath.Join(filepath.Dir(file), "README.md")
		content, err := os.ReadFile(readme)
		if err != nil {
			t.Error(err)
			continue
		}
		const begin, end = "<!-- generated: parameters -->\n", "<!-- end -->"
		before, rest, found := strings.Cut(string(content), begin)
		_, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			t.Errorf("%s: want the lines %q and %q", readme, begin, end)
			continue
		}
		want := before + begin + tables(t, file) + end + after
		if *update {
			if err := os.WriteFile(readme, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if d := cmp.Diff(want, string(content)); d != "" {
			t.Errorf("%s is stale; go test ./internal/manifests -update writes it: -want +got: %s", readme, d)
		}
	}
}

// described is what the kinds have in common.
type described struct {
	Spec struct {
		Params     []row `json:"params"`
		Workspaces []row `json:"workspaces"`
		Results    []row `json:"results"`
	} `json:"spec"`
}

type row struct {
	Name        string  `json:"name"`
	Description string  `json:"description"`
	Default     *string `json:"default"`
}

func tables(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var d described
	if err := yaml.Unmarshal(content, &d); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.WriteString("\n## Parameters\n\n| name | default | what |\n| --- | --- | --- |\n")
	for _, r := range d.Spec.Params {
		value := "required"
		if r.Default != nil && *r.Default != "" {
			value = "`" + *r.Default + "`"
		} else if r.Default != nil {
			value = "empty"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", r.Name, value, r.Description)
	}
	if len(d.Spec.Workspaces) > 0 {
		out.WriteString("\n## Workspaces\n\nAll of them are optional.\n\n| name | what |\n| --- | --- |\n")
		for _, r := range d.Spec.Workspaces {
			fmt.Fprintf(&out, "| `%s` | %s |\n", r.Name, r.Description)
		}
	}
	if len(d.Spec.Results) > 0 {
		out.WriteString("\n## Results\n\n| name | what |\n| --- | --- |\n")
		for _, r := range d.Spec.Results {
			fmt.Fprintf(&out, "| `%s` | %s |\n", r.Name, r.Description)
		}
	}
	out.WriteString("\n")
	return out.String()
}

// TestExamples makes sure that Tekton takes the Tasks of examples, and that they
// call StepActions by parameters that these have.
func TestExamples(t *testing.T) {
	for _, file := range files(t, "examples/compose-your-own/*.yaml") {
		task := read[pipelinev1.Task](t, file)
		task.SetDefaults(t.Context())
		if err := task.Validate(t.Context()); err != nil {
			t.Errorf("%s: Tekton refuses it: %v", file, err)
		}
		for _, step := range task.Spec.Steps {
			action := read[pipelinev1beta1.StepAction](t, files(t, "stepactions/"+step.Ref.Name+"/*/*.yaml")[0])
			given := map[string]bool{}
			for _, p := range step.Params {
				given[p.Name] = true
				if !slices.ContainsFunc(action.Spec.Params, func(s pipelinev1.ParamSpec) bool { return s.Name == p.Name }) {
					t.Errorf("step %s: the StepAction has no parameter %s", step.Name, p.Name)
				}
			}
			for _, p := range action.Spec.Params {
				if p.Default == nil && !given[p.Name] {
					t.Errorf("step %s: parameter %s is missing", step.Name, p.Name)
				}
			}
		}
	}
}

// TestSamples makes sure that samples parse, and that those of Pipelines have all
// three timeouts: a run without them ends after an hour, its finally unrun.
func TestSamples(t *testing.T) {
	for _, file := range append(files(t, "tasks/*/*/samples/*.yaml"), files(t, "pipelines/*/*/samples/*.yaml")...) {
		t.Run(file, func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(content), "kind: PipelineRun") {
				run := read[pipelinev1.PipelineRun](t, file)
				run.Name = "generated"
				if err := run.Validate(t.Context()); err != nil {
					t.Errorf("Tekton refuses it: %v", err)
				}
				if ts := run.Spec.Timeouts; ts == nil || ts.Pipeline == nil || ts.Tasks == nil || ts.Finally == nil {
					t.Error("want all three timeouts")
				}
				return
			}
			run := read[pipelinev1.TaskRun](t, file)
			run.Name = "generated"
			if err := run.Validate(t.Context()); err != nil {
				t.Errorf("Tekton refuses it: %v", err)
			}
		})
	}
}
