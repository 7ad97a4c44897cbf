// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	countersign "github.com/countersign-dev/countersign/pkg/client/clientset/versioned"
	"github.com/countersign-dev/countersign/test/fixture"
)

// TestServerGuardsRecords asks the real API server for what must not be: schema
// rules, admission policies and the webhook are seen together only here.
func TestServerGuardsRecords(t *testing.T) {
	t.Parallel()
	p := newProject(t, fixture.ProjectOptions{})
	change, err := env.Countersign.CountersignV1alpha1().ChangeRequests(p.Namespace).Create(t.Context(), guardedChange(p), metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if change.Spec.ContentHash == "" {
		t.Error("the webhook did not compute the content hash")
	}
	records := env.Countersign.CountersignV1alpha1().ChangeRequests(p.Namespace)
	decisions := env.Countersign.CountersignV1alpha1().ChangeApprovals(p.Namespace)

	// The administrator of the cluster is bound, too.
	_, err = records.Patch(t.Context(), change.Name, types.MergePatchType, []byte(`{"spec":{"summary":"Something else"}}`), metav1.PatchOptions{})
	wantRefused(t, "another summary", err, "never changes")
	_, err = records.Patch(t.Context(), change.Name, types.MergePatchType, []byte(`{"status":{"state":"Closed"}}`), metav1.PatchOptions{}, "status")
	wantRefused(t, "another status", err, "only the controller writes the status")
	err = records.Delete(t.Context(), change.Name, metav1.DeleteOptions{})
	wantRefused(t, "deletion while it is open", err, "can be deleted once")

	decision := &v1alpha1.ChangeApproval{
		ObjectMeta: metav1.ObjectMeta{GenerateName: change.Name + "-", Namespace: p.Namespace},
		Spec: v1alpha1.ChangeApprovalSpec{
			ChangeRequest: change.Name, ContentHash: change.Spec.ContentHash, Decision: v1alpha1.DecisionApprove,
			Approver: v1alpha1.Approver{Username: "bob", Groups: []string{"release-managers"}},
		},
	}
	bind(t, p, "mallory", rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "creates-approvals"})
	bind(t, p, "ada", rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "countersign-approver"})

	// The right to create the object is not the right to decide. RBAC takes a
	// moment to know a new binding, and refuses in other words until then.
	var refusal error
	err = fixture.Poll(t.Context(), 100*time.Millisecond, 20*time.Second, func() (bool, error) {
		_, refusal = as(t, "mallory").CountersignV1alpha1().ChangeApprovals(p.Namespace).Create(t.Context(), decision, metav1.CreateOptions{})
		return refusal == nil || strings.Contains(refusal.Error(), "may not approve change request"), nil
	})
	if err != nil || refusal == nil {
		t.Errorf("an approval without the verb approve: %v, want it refused", refusal)
	}

	var stored *v1alpha1.ChangeApproval
	var why error
	err = fixture.Poll(t.Context(), 100*time.Millisecond, 20*time.Second, func() (bool, error) {
		stored, why = as(t, "ada").CountersignV1alpha1().ChangeApprovals(p.Namespace).Create(t.Context(), decision, metav1.CreateOptions{})
		return why == nil, nil
	})
	if err != nil {
		t.Fatalf("an approver's approval: %v", why)
	}
	if stored.Spec.Approver.Username != "ada" {
		t.Errorf("the approver is %q, want ada, who asked", stored.Spec.Approver.Username)
	}
	_, err = decisions.Patch(t.Context(), stored.Name, types.MergePatchType, []byte(`{"spec":{"comment":"edited"}}`), metav1.PatchOptions{})
	wantRefused(t, "another comment", err, "a decision never changes")
}

// guardedChange is a change request that no run asked for.
func guardedChange(p *fixture.Project) *v1alpha1.ChangeRequest {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	return &v1alpha1.ChangeRequest{
		ObjectMeta: metav1.ObjectMeta{Name: "chg-guarded", Namespace: p.Namespace},
		Spec: v1alpha1.ChangeRequestSpec{
			Summary: "Deploy hello to prod",
			Target:  v1alpha1.Target{Environment: fixture.Target},
			Fields: v1alpha1.Fields{
				Priority: v1alpha1.PriorityLow, Assignee: "ann@example.com",
				CustomerImpact: v1alpha1.CustomerImpactNone, DeploymentImpact: v1alpha1.DeploymentImpactSmall,
				EnvironmentPurpose: v1alpha1.EnvironmentProduction, EnvironmentDetail: "a test", Risk: v1alpha1.RiskLow,
			},
			PlannedStart: now, PlannedEnd: now,
			Readiness:   v1alpha1.ReadinessVerdict{Ready: true, EvaluatedAt: now, Passed: 1},
			PromotionPR: v1alpha1.PromotionPR{Number: 1, URL: "https://forge.example/pulls/1", Title: "Promote", Author: "bob", MergeCommit: commit},
			Inventory:   v1alpha1.InventoryRange{URL: "https://forge.example/inventory", Branch: fixture.Target, To: commit},
			Bundle:      p.Bundles + "@sha256:" + strings.Repeat("a", 64),
			Run:         v1alpha1.RunRef{Name: "cd-none", UID: "11111111-2222-3333-4444-555555555555"},
		},
	}
}

func wantRefused(t *testing.T, what string, err error, why string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("%s: %v, want it refused because %q", what, err, why)
	}
}

// as is a client of somebody else.
func as(t *testing.T, user string) countersign.Interface {
	t.Helper()
	config := rest.CopyConfig(env.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:authenticated"}}
	client, err := countersign.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// bind gives a user a role in a project's namespace. Role creates-approvals is
// made on the way: it may create decisions, and has no say in any change.
func bind(t *testing.T, p *fixture.Project, user string, role rbacv1.RoleRef) {
	t.Helper()
	var err error
	if role.Kind == "Role" {
		_, err = env.Kubernetes.RbacV1().Roles(p.Namespace).Create(t.Context(), &rbacv1.Role{
			ObjectMeta: metav1.ObjectMeta{Name: role.Name},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"countersign.dev"}, Resources: []string{"changeapprovals"}, Verbs: []string{"create"}}},
		}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	_, err = env.Kubernetes.RbacV1().RoleBindings(p.Namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:    role,
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
}
