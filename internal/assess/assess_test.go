// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clienttesting "k8s.io/client-go/testing"

	"github.com/countersign-dev/countersign/internal/assess"
	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/internal/steptest"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/bundle"
)

func changes(t *testing.T, w *steptest.World) []v1alpha1.ChangeRequest {
	t.Helper()
	list, err := w.Countersign.CountersignV1alpha1().ChangeRequests(steptest.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func run(t *testing.T, w *steptest.World, p *assess.Params) *assess.Outcome {
	t.Helper()
	outcome, err := assess.Run(t.Context(), p, w.Clients())
	if err != nil {
		t.Fatalf("%v\nlog:\n%s", err, &w.Log)
	}
	return outcome
}

func TestAFirstDeploymentOpensAChangeRequestWithEverythingInIt(t *testing.T) {
	w := steptest.New(t)
	p := w.Params("1")
	p.EvidenceChecksConfigPath, p.ComplianceProfilePath = "checks/prod.json", "./profile.yaml"
	outcome := run(t, w, p)

	all := changes(t, w)
	if len(all) != 1 {
		t.Fatalf("%d change requests, want 1", len(all))
	}
	cr := all[0]
	want := &assess.Outcome{
		Proceed: true, DeploymentReady: true, ChangeRequest: cr.Name, Bundle: cr.Spec.Bundle,
		Images: map[string]string{"deploy": "tools:1", "acceptance-test": "tools:1"},
	}
	if d := cmp.Diff(want, outcome); d != "" {
		t.Errorf("outcome -want +got: %s", d)
	}
	if !strings.HasPrefix(cr.Name, "chg-") || len(cr.Name) != 14 || cr.Name != assess.Name(p.Run, p.Target()) {
		t.Errorf("name %q", cr.Name)
	}

	// The webhook's own rules hold for it.
	cr.SetDefaults(t.Context())
	cr.Spec.ContentHash = v1alpha1.ContentHash(&cr.Spec)
	if err := cr.Validate(t.Context()); err != nil {
		t.Errorf("the webhook would refuse it: %v", err)
	}
	if !strings.Contains(cr.Spec.Fields.Description, "$(params.x)") || !strings.Contains(cr.Spec.Fields.Description, "INVENTORY COMMIT") {
		t.Errorf("description: %s", cr.Spec.Fields.Description)
	}
	if got := cr.Spec.PlannedEnd.Sub(cr.Spec.PlannedStart.Time).Minutes(); got != 30 {
		t.Errorf("planned for %v minutes, want 30", got)
	}
	if len(cr.Spec.Subjects) != 2 || cr.Spec.SubjectsTotal != 2 || cr.Spec.Inventory.From != "" {
		t.Errorf("subjects %v of %d, from %q", cr.Spec.Subjects, cr.Spec.SubjectsTotal, cr.Spec.Inventory.From)
	}

	var names []string
	for _, a := range cr.Spec.Attachments {
		names = append(names, a.Name+" "+a.FileName+" "+a.MediaType)
	}
	wantNames := []string{
		"Deployment BOM deployment-bom.json application/vnd.cyclonedx+json; version=1.6",
		"Delta Summary delta-summary.json application/json",
		"Delta Summary (Markdown) delta-summary.md text/markdown",
		"Evidence Checks Config File evidence-checks-config.json application/json",
		"Compliance Profile compliance-profile.yaml application/yaml",
	}
	if d := cmp.Diff(wantNames, names); d != "" {
		t.Errorf("attachments -want +got: %s", d)
	}

	b, err := bundle.Fetch(t.Context(), cr.Spec.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := b.Extract(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	for path, wanted := range map[string]string{
		"delta.json":              "[\n  \"a\",\n  \"dir/b\"\n]\n",
		"deletions.json":          "[]\n",
		"entries.json":            "[\n  \"a\",\n  \"dir/b\"\n]\n",
		"inventory/dir/b":         steptest.Entry("b", "1"),
		"config/deploy.sh":        "#!/bin/sh\n",
		"compliance-profile.yaml": "profile: x\n",
	} {
		if got, err := os.ReadFile(filepath.Join(dir, path)); err != nil || string(got) != wanted {
			t.Errorf("%s: %q, %v; want %q", path, got, err, wanted)
		}
	}
	if log := w.Log.String(); !strings.Contains(log, "DEPLOYMENT_READY=true") {
		t.Errorf("log: %s", log)
	}
}

func TestTheSameRunTriedAgainFindsWhatItMade(t *testing.T) {
	w := steptest.New(t)
	first := run(t, w, w.Params("1"))
	w.Promote(map[string]string{"a": steptest.Entry("a", "2")}, "broken")
	if d := cmp.Diff(first, run(t, w, w.Params("1"))); d != "" {
		t.Errorf("-first +second: %s", d)
	}
	if n := len(changes(t, w)); n != 1 {
		t.Errorf("%d change requests, want 1", n)
	}

	// Also if it is created between the look and the creation.
	other := steptest.New(t)
	raced := run(t, other, other.Params("1"))
	hidden := true
	other.Countersign.PrependReactor("get", "changerequests", func(clienttesting.Action) (bool, runtime.Object, error) {
		if hidden {
			hidden = false
			return true, nil, apierrors.NewNotFound(v1alpha1.Resource("changerequests"), "x")
		}
		return false, nil, nil
	})
	if d := cmp.Diff(raced, run(t, other, other.Params("1"))); d != "" {
		t.Errorf("raced -first +second: %s", d)
	}
}

func TestAnotherRunsChangeRequestOfThatNameIsRefused(t *testing.T) {
	w := steptest.New(t)
	p := w.Params("1")
	foreign := &v1alpha1.ChangeRequest{ObjectMeta: metav1.ObjectMeta{Name: assess.Name(p.Run, p.Target()), Namespace: steptest.Namespace}}
	foreign.Spec.Run = v1alpha1.RunRef{Name: "other", UID: "other"}
	if _, err := w.Countersign.CountersignV1alpha1().ChangeRequests(steptest.Namespace).Create(t.Context(), foreign, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := assess.Run(t.Context(), p, w.Clients())
	if step.ExitCode(err) != step.ExitRefused {
		t.Errorf("error %v, want a refusal", err)
	}
}

func TestNothingToDeployIsGreenAtOnce(t *testing.T) {
	w := steptest.New(t)
	w.Inventory.Tag("eu_prod_latest", w.Forge.PRs[0].MergeCommit)
	// Nothing else is even looked at.
	p := w.Params("1")
	p.ConfigURL, p.LockerURL = "file:///nowhere", "file:///nowhere"
	outcome := run(t, w, p)
	if outcome.Proceed || !outcome.DeploymentReady || outcome.ChangeRequest != "" || len(changes(t, w)) != 0 {
		t.Errorf("outcome %+v", outcome)
	}
	if !strings.Contains(w.Log.String(), "nothing to deploy") {
		t.Errorf("log: %s", &w.Log)
	}
	for name, value := range outcome.Results() {
		if !slices.Contains(assess.ResultNames, name) || (name == "proceed" && value != "false") {
			t.Errorf("result %s = %q", name, value)
		}
	}

	t.Run("unless all entries are to be deployed again", func(t *testing.T) {
		p := w.Params("2")
		p.ForceRedeploy = "true"
		if outcome := run(t, w, p); !outcome.Proceed {
			t.Errorf("outcome %+v", outcome)
		}
		cr := changes(t, w)[0]
		if !cr.Spec.Inventory.Redeploy || len(cr.Spec.Subjects) != 2 || cr.Spec.Inventory.From != cr.Spec.Inventory.To {
			t.Errorf("inventory %+v, %d subjects", cr.Spec.Inventory, len(cr.Spec.Subjects))
		}
	})
}

func TestOnlyTheDeltaIsJudgedAndDeletionsAreNamed(t *testing.T) {
	w := steptest.New(t)
	w.Inventory.Tag("eu_prod_latest", w.Forge.PRs[0].MergeCommit)
	w.Evidence("b", "failure") // not in the delta
	w.Promote(map[string]string{"c": steptest.Entry("c", "1"), "a": ""}, steptest.GoodBody)
	w.Evidence("c", "success")
	outcome := run(t, w, w.Params("1"))
	if !outcome.DeploymentReady {
		t.Errorf("not ready:\n%s", &w.Log)
	}
	var got []string
	for _, s := range changes(t, w)[0].Spec.Subjects {
		got = append(got, s.Action+" "+s.Name)
	}
	if d := cmp.Diff([]string{"deploy c", "delete a"}, got); d != "" {
		t.Errorf("subjects -want +got: %s", d)
	}
}

func TestBadEvidenceOpensAChangeRequestThatIsNotReady(t *testing.T) {
	w := steptest.New(t)
	w.Evidence("a", "failure")
	if outcome := run(t, w, w.Params("1")); outcome.DeploymentReady || !outcome.Proceed {
		t.Errorf("outcome %+v", outcome)
	}
	readiness := changes(t, w)[0].Spec.Readiness
	if readiness.Ready || len(readiness.Blocking) == 0 {
		t.Errorf("readiness %+v", readiness)
	}
	if !strings.Contains(w.Log.String(), "DEPLOYMENT_READY=false") {
		t.Errorf("log: %s", &w.Log)
	}
}

func TestEveryFaultIsToldAtOnceAndNothingIsCreated(t *testing.T) {
	w := steptest.New(t)
	w.Config.Commit(map[string]string{".pipeline-config.yaml": "version: '1'\ndeploy: {image: x, scrpt: y}\n"})
	w.Promote(map[string]string{"a": "not JSON"}, "<priority>soon</priority>")
	w.Policy.Spec.Bundles.RepositoryPrefixes = []string{"registry.example/elsewhere"}
	if _, err := w.Countersign.CountersignV1alpha1().ChangePolicies().Update(t.Context(), w.Policy, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	p := w.Params("1")
	p.OutageDuration = "soon"
	p.ComplianceProfilePath = "no/such/file"
	_, err := assess.Run(t.Context(), p, w.Clients())
	if step.ExitCode(err) != step.ExitInvalid {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{
		"not JSON", "priority", "assignedto", "outage-duration", "customerimpact", `unknown key "scrpt"`, "script is missing",
		"compliance-profile-path", "no such file", "bundle-repository",
	} {
		if !strings.Contains(err.Error(), want) && !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want)) {
			t.Errorf("%q is not told in: %v", want, err)
		}
	}
	if n := len(changes(t, w)); n != 0 {
		t.Errorf("%d change requests, want none", n)
	}
}

func TestParametersThatCannotBeAreAllTold(t *testing.T) {
	w := steptest.New(t)
	p := w.Params("1")
	p.InventoryURL, p.TargetEnvironment, p.Region, p.ForceRedeploy = "ext::sh -c id", "--upload-pack=x", "a b", "maybe"
	p.BundleRepository, p.ConfigURL, p.LockerURL = "https://x", "ssh://x", ""
	p.RollbackEnabled = "True" // which Pipeline cd does not know
	_, err := assess.Run(t.Context(), p, w.Clients())
	var invalid *step.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("error %v", err)
	}
	for _, parameter := range []string{"inventory-url", "target-environment", "region", "force-redeploy", "bundle-repository", "config-url", "locker-url", "rollback-enabled"} {
		if !strings.Contains(err.Error(), "parameter "+parameter) {
			t.Errorf("%s is not told in: %v", parameter, err)
		}
	}
}

func TestStagesOfTasksOfTheUsersOwnNeedNoScript(t *testing.T) {
	w := steptest.New(t)
	w.Config.Commit(map[string]string{".pipeline-config.yaml": ""})
	p := w.Params("1")
	p.DeployTask, p.AcceptanceTestTask = "mine", "mine-too"
	if outcome := run(t, w, p); outcome.Images["deploy"] != "" {
		t.Errorf("outcome %+v", outcome)
	}
	want := []v1alpha1.Stage{{Name: "deploy", Task: "mine"}, {Name: "acceptance-test", Task: "mine-too"}}
	if d := cmp.Diff(want, changes(t, w)[0].Spec.Stages); d != "" {
		t.Errorf("stages -want +got: %s", d)
	}

	p = w.Params("2")
	p.DeployTask, p.AcceptanceTestTask, p.RollbackEnabled = "mine", "mine-too", "1"
	if _, err := assess.Run(t.Context(), p, w.Clients()); err == nil || !strings.Contains(err.Error(), ".pipeline-config.yaml") {
		t.Errorf("rollback without a stage file: %v", err)
	}
}

func TestALinkOutOfTheConfigurationIsRefused(t *testing.T) {
	w := steptest.New(t)
	w.Config.Symlink("passwd", "/etc/passwd")
	if _, err := assess.Run(t.Context(), w.Params("1"), w.Clients()); err == nil || !strings.Contains(err.Error(), `"passwd"`) {
		t.Errorf("error %v", err)
	}
	if n := len(changes(t, w)); n != 0 {
		t.Errorf("%d change requests, want none", n)
	}
}

func TestTakingUpAChangeRequest(t *testing.T) {
	w := steptest.New(t)
	first := run(t, w, w.Params("1"))
	api := w.Countersign.CountersignV1alpha1().ChangeRequests(steptest.Namespace)
	cr, err := api.Get(t.Context(), first.ChangeRequest, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cr.Status.State = v1alpha1.StateAuthorize
	cr.Status.Runs = []v1alpha1.RunStatus{{RunRef: cr.Spec.Run}}
	if _, err := api.UpdateStatus(t.Context(), cr, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	p := w.Params("2")
	p.ChangeRequestID = first.ChangeRequest
	if d := cmp.Diff(first, run(t, w, p)); d != "" {
		t.Errorf("-first +taken up: %s", d)
	}
	if n := len(changes(t, w)); n != 1 {
		t.Errorf("%d change requests, want 1", n)
	}

	p = w.Params("2")
	p.ChangeRequestID = "chg-unknown"
	if _, err := assess.Run(t.Context(), p, w.Clients()); step.ExitCode(err) != step.ExitRefused {
		t.Errorf("an unknown one: %v", err)
	}
	w.Promote(map[string]string{"a": steptest.Entry("a", "2")}, steptest.GoodBody)
	p.ChangeRequestID = first.ChangeRequest
	if _, err := assess.Run(t.Context(), p, w.Clients()); step.ExitCode(err) != step.ExitRefused || !strings.Contains(err.Error(), "has changed since") {
		t.Errorf("after another promotion: %v", err)
	}
}

func TestDifferences(t *testing.T) {
	now := v1alpha1.InventoryRange{URL: "https://forge.example/i.git", Branch: "prod", From: "f", To: "t"}
	target := v1alpha1.Target{Environment: "prod", Region: "eu"}
	for sentence, tc := range map[string]struct {
		change func(*v1alpha1.ChangeRequest)
		want   []string
	}{
		"nothing differs":                          {func(*v1alpha1.ChangeRequest) {}, nil},
		"what is deployed is the same, redeployed": {func(cr *v1alpha1.ChangeRequest) { cr.Spec.Inventory.Redeploy = true }, nil},
		"no run opened it":                         {func(cr *v1alpha1.ChangeRequest) { cr.Status.Runs = nil }, []string{"never opened"}},
		"it was rejected":                          {func(cr *v1alpha1.ChangeRequest) { cr.Status.Approval.State = v1alpha1.ApprovalRejected }, []string{"rejected"}},
		"it is closed":                             {func(cr *v1alpha1.ChangeRequest) { cr.Status.State = v1alpha1.StateClosed }, []string{"is over"}},
		"everything differs": {func(cr *v1alpha1.ChangeRequest) {
			cr.Status.State = v1alpha1.StateCanceled
			cr.Spec.Target.Region = ""
			cr.Spec.Inventory = v1alpha1.InventoryRange{URL: "https://elsewhere", From: "", To: "x"}
		}, []string{"is over", "for target prod,", "for inventory https://elsewhere", "for inventory commit x", "computed from nothing"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			cr := &v1alpha1.ChangeRequest{ObjectMeta: metav1.ObjectMeta{Name: "chg-1"}}
			cr.Spec.Target, cr.Spec.Inventory = target, now
			cr.Status.State, cr.Status.Runs = v1alpha1.StateAuthorize, []v1alpha1.RunStatus{{}}
			tc.change(cr)
			got := assess.Differences(cr, target, now)
			if len(got) != len(tc.want) {
				t.Fatalf("got %q, want %q", got, tc.want)
			}
			for i := range got {
				if !strings.Contains(got[i], tc.want[i]) {
					t.Errorf("got %q, want %q", got[i], tc.want[i])
				}
			}
		})
	}
}

func TestTheNameFollowsFromRunAndTarget(t *testing.T) {
	seen := map[string]bool{}
	for _, uid := range []string{"1", "2"} {
		for _, target := range []v1alpha1.Target{{Environment: "prod"}, {Environment: "prod", Region: "eu"}, {Environment: "eu", Region: "prod"}} {
			seen[assess.Name(v1alpha1.RunRef{UID: types.UID(uid)}, target)] = true
		}
	}
	if len(seen) != 6 {
		t.Errorf("names are not distinct: %v", seen)
	}
}

func TestTheChangeFileNamesNoRun(t *testing.T) {
	w := steptest.New(t)
	run(t, w, w.Params("secret-run"))
	b, err := bundle.Fetch(t.Context(), changes(t, w)[0].Spec.Bundle)
	if err != nil {
		t.Fatal(err)
	}
	content, err := b.ReadFile(t.Context(), assess.FileChange)
	if err != nil || strings.Contains(string(content), "secret-run") || !json.Valid(content) {
		t.Errorf("change.json: %s, %v", content, err)
	}
}
