// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/test/fixture"
)

// What every change has attached when it is opened, and when it is closed.
var (
	openingAttachments = []string{"Deployment BOM", "Delta Summary", "Delta Summary (Markdown)"}
	closingAttachments = []string{"Closing Summary", "Closing Summary (Markdown)", "Merged SBOM"}
)

// TestReady is the standard flow with the real application, and what follows
// on it: a run for which nothing has changed, and one that deploys all the same.
func TestReady(t *testing.T) {
	t.Parallel()
	p := newExampleProject(t)
	promoted := promote(t, p, "1.0.0", nil, fixture.GoodBody())

	if !t.Run("all evidence is good", func(t *testing.T) { testReady(t, p, promoted) }) {
		return
	}
	if !t.Run("nothing changed", func(t *testing.T) { testUnchanged(t, p) }) {
		return
	}
	t.Run("forced redeployment", func(t *testing.T) { testRedeploy(t, p, promoted) })
}

func testReady(t *testing.T, p *fixture.Project, promoted *fixture.Promoted) {
	run := start(t, p, nil)
	wantSucceeded(t, run)
	change := wantChange(t, run)
	wantEnd(t, change, v1alpha1.StateClosed, v1alpha1.CategorySuccessful)
	if a := change.Status.Approval; a.State != v1alpha1.ApprovalApproved || !a.Automatic || len(a.Reasons) == 0 || len(a.Decisions) > 0 {
		t.Errorf("approval is %+v, want an automatic one with reasons", a)
	}
	wantAttachments(t, change, openingAttachments, closingAttachments)
	wantTag(t, p, "prod_latest", promoted.Commit)
	wantTag(t, p, change.Name, promoted.Commit)
	wantLog(t, run, "assess", "DEPLOYMENT_READY=true")
	if change.Spec.Inventory.To != promoted.Commit || change.Spec.PromotionPR.URL != promoted.URL {
		t.Errorf("the record is about commit %s of %s, want %s of %s",
			change.Spec.Inventory.To, change.Spec.PromotionPR.URL, promoted.Commit, promoted.URL)
	}

	t.Run("the application runs, and says under which change", func(t *testing.T) {
		deployment, err := env.Kubernetes.AppsV1().Deployments(p.AppNamespace).Get(t.Context(), "hello", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got := deployment.Annotations["countersign.dev/change-request"]; got != change.Name {
			t.Errorf("the Deployment names change %q, want %q", got, change.Name)
		}
		subject := change.Spec.Subjects[0]
		if image := deployment.Spec.Template.Spec.Containers[0].Image; !strings.HasSuffix(image, "@"+subject.Digest) {
			t.Errorf("image %s runs, want the one of the record with digest %s", image, subject.Digest)
		}
	})

	t.Run("the SBOMs name what was deployed", func(t *testing.T) {
		for _, name := range []string{"Deployment BOM", "Merged SBOM"} {
			var bom struct {
				BOMFormat  string `json:"bomFormat"`
				Components []struct {
					Name string `json:"name"`
				} `json:"components"`
			}
			if err := json.Unmarshal(attachment(t, change, name), &bom); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if bom.BOMFormat != "CycloneDX" || len(bom.Components) == 0 {
				t.Errorf("%s is %+v, want a CycloneDX document with components", name, bom)
			}
		}
	})

	t.Run("the person's view says the same", func(t *testing.T) {
		text := tkn(t, "change", "describe", change.Name, "--namespace", p.Namespace)
		for _, want := range []string{change.Name, "Closed", "successful", "Deployment BOM", "Merged SBOM", promoted.URL} {
			if !strings.Contains(text, want) {
				t.Errorf("tkn change describe lacks %q:\n%s", want, text)
			}
		}
		if list := tkn(t, "change", "list", "--namespace", p.Namespace); !strings.Contains(list, change.Name) {
			t.Errorf("tkn change list lacks %s:\n%s", change.Name, list)
		}
	})
}

// testUnchanged: an empty delta ends the run green at once.
func testUnchanged(t *testing.T, p *fixture.Project) {
	before := changeNames(t, p)
	run := start(t, p, nil)
	wantSucceeded(t, run)
	if diff := cmp.Diff(before, changeNames(t, p)); diff != "" {
		t.Errorf("change requests of the namespace (-before +after):\n%s", diff)
	}
	for _, task := range []string{"open-change", "approve-change", "deploy", "acceptance-test"} {
		wantReason(t, run, task, "Skipped")
	}
	if diff := cmp.Diff([]string{"assess"}, podTasks(t, run)); diff != "" {
		t.Errorf("tasks with pods (-want +got):\n%s", diff)
	}
}

// testRedeploy: force-redeploy deploys everything; with a checks file and a
// profile configured, both are attached.
func testRedeploy(t *testing.T, p *fixture.Project, promoted *fixture.Promoted) {
	config, err := env.ExampleConfig(t.Context(), p.AppNamespace)
	if err != nil {
		t.Fatal(err)
	}
	config["checks/prod.json"] = fixture.Text(`{"version": "2.0", "pre-deployment": [], "post-deployment": []}` + "\n")
	config["compliance/profile.yaml"] = fixture.Text("name: our profile\n")
	if err := p.Configure(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	run := start(t, p, map[string]string{
		"force-redeploy":              "true",
		"evidence-checks-config-path": "checks/prod.json",
		"compliance-profile-path":     "compliance/profile.yaml",
	})
	wantSucceeded(t, run)
	change := wantChange(t, run)
	wantEnd(t, change, v1alpha1.StateClosed, v1alpha1.CategorySuccessful)
	wantAttachments(t, change,
		append(slices.Clone(openingAttachments), "Evidence Checks Config File", "Compliance Profile"), closingAttachments)
	if got := string(attachment(t, change, "Compliance Profile")); got != "name: our profile\n" {
		t.Errorf("the attached profile is %q", got)
	}
	if !change.Spec.Inventory.Redeploy || change.Spec.SubjectsTotal != 1 {
		t.Errorf("redeploy is %v with %d subjects, want true with 1", change.Spec.Inventory.Redeploy, change.Spec.SubjectsTotal)
	}
	wantTag(t, p, "prod_latest", promoted.Commit)
}

func changeNames(t *testing.T, p *fixture.Project) []string {
	t.Helper()
	list, err := env.Countersign.CountersignV1alpha1().ChangeRequests(p.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, change := range list.Items {
		names = append(names, change.Name)
	}
	return names
}

// TestNamespacesAreRestricted makes sure that the other tests prove what they
// say: that the namespaces refuse pods which are not restricted.
func TestNamespacesAreRestricted(t *testing.T) {
	t.Parallel()
	p := newProject(t, fixture.ProjectOptions{})
	root := int64(0)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "root"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "root", Image: env.ShellImage, SecurityContext: &corev1.SecurityContext{RunAsUser: &root},
		}}},
	}
	_, err := env.Kubernetes.CoreV1().Pods(p.Namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "PodSecurity") {
		t.Errorf("a pod that runs as root: %v, want it forbidden by PodSecurity", err)
	}
}
