// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"knative.dev/pkg/apis"

	"github.com/countersign-dev/countersign/pkg/apis/countersign"
)

const (
	testDigest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	testCommit = "0123456789abcdef0123456789abcdef01234567"
)

var testTime = metav1.NewTime(time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC))

// as is the context of a request to create an object.
func as(username string, groups ...string) context.Context {
	return apis.WithinCreate(apis.WithUserInfo(context.Background(), &authenticationv1.UserInfo{Username: username, UID: "uid-" + username, Groups: groups}))
}

func goodChange() *ChangeRequest {
	return &ChangeRequest{
		ObjectMeta: metav1.ObjectMeta{Name: "chg-abc", Namespace: "shop"},
		Spec: ChangeRequestSpec{
			Summary: "Deploy 2 entries to prod",
			Target:  Target{Environment: "prod", Region: "eu-de"},
			Fields: Fields{
				Priority: PriorityLow, Assignee: "ann@example.com", CustomerImpact: CustomerImpactNone, DeploymentImpact: DeploymentImpactSmall,
				Description: "a\nb", EnvironmentPurpose: EnvironmentProduction, EnvironmentDetail: "eu-de", Risk: RiskLow,
			},
			PlannedStart: testTime, PlannedEnd: testTime,
			Readiness:     ReadinessVerdict{Ready: true, EvaluatedAt: testTime, Passed: 3},
			PromotionPR:   PromotionPR{Number: 7, URL: "https://forge.example/shop/inventory/pulls/7", Title: "Promote", Author: "bob", MergeCommit: testCommit},
			Inventory:     InventoryRange{URL: "https://forge.example/shop/inventory", Branch: "prod", From: testCommit, To: testCommit},
			Stages:        []Stage{{Name: "deploy", Task: "run-stage", Image: "registry.example/tools@" + testDigest, ScriptDigest: testDigest}},
			Subjects:      []Subject{{Name: "app/web", Action: "deploy", Version: "1.2", Artifact: "registry.example/web", Digest: testDigest}},
			SubjectsTotal: 1,
			Bundle:        "registry.example:5000/shop/bundles@" + testDigest,
			Attachments:   []Attachment{{Name: "Delta Summary", FileName: "delta-summary.json", MediaType: "application/json", Size: 3, Digest: testDigest, Reference: "registry.example:5000/shop/bundles@" + testDigest}},
			Run:           RunRef{Name: "cd-1", UID: "11111111-2222-3333-4444-555555555555"},
		},
	}
}

func TestChangeRequestValidate(t *testing.T) {
	type edit = func(*ChangeRequest)
	for name, tc := range map[string]struct {
		edit edit
		want []string // each a part of the error
	}{
		"a good one":                            {},
		"a first deployment, of one region":     {edit: func(c *ChangeRequest) { c.Spec.Inventory.From, c.Spec.Target.Region = "", "" }},
		"texts of many lines and all languages": {edit: func(c *ChangeRequest) { c.Spec.Fields.Purpose = "зачем\n\tпотому" }},
		"a name that is no label":               {func(c *ChangeRequest) { c.Name = strings.Repeat("x", 64) }, []string{"metadata.name"}},
		"no summary":                            {func(c *ChangeRequest) { c.Spec.Summary = "" }, []string{"missing field(s): spec.summary"}},
		"a summary of two lines":                {func(c *ChangeRequest) { c.Spec.Summary = "a\nb" }, []string{"holds the character U+000A", "spec.summary"}},
		"a summary that reads backwards":        {func(c *ChangeRequest) { c.Spec.Summary = "a\u202eb" }, []string{"U+202E", "spec.summary"}},
		"a title that clears the screen":        {func(c *ChangeRequest) { c.Spec.PromotionPR.Title = "\x1b[2J" }, []string{"U+001B", "spec.promotionPR.title"}},
		"an environment that is no label":       {func(c *ChangeRequest) { c.Spec.Target.Environment = "../prod" }, []string{"spec.target.environment"}},
		"no environment":                        {func(c *ChangeRequest) { c.Spec.Target.Environment = "" }, []string{"missing field(s): spec.target.environment"}},
		"every field missing at once": {func(c *ChangeRequest) { c.Spec.Fields = Fields{} }, []string{
			"spec.fields.priority", "spec.fields.assignee", "spec.fields.customerImpact", "spec.fields.deploymentImpact",
			"spec.fields.environmentPurpose", "spec.fields.environmentDetail", "spec.fields.risk",
		}},
		"words that are not allowed": {func(c *ChangeRequest) {
			c.Spec.Fields.Priority, c.Spec.Fields.Risk = "urgent", "none"
		}, []string{"invalid value: urgent: spec.fields.priority", "want critical, high, moderate, low, planning", "invalid value: none: spec.fields.risk"}},
		"an assignee that is no address": {func(c *ChangeRequest) { c.Spec.Fields.Assignee = "Ann <ann@example.com>" }, []string{"spec.fields.assignee", "want an email address"}},
		"a description of a megabyte":    {func(c *ChangeRequest) { c.Spec.Fields.Description = strings.Repeat("x", 1<<20) }, []string{"spec.fields.description", "is 1048576 bytes long"}},
		"texts that are too much together": {func(c *ChangeRequest) {
			f := &c.Spec.Fields
			f.Description = strings.Repeat("x", 250<<10)
			f.Purpose, f.Impact, f.BackoutPlan = f.Description, f.Description, f.Description
		}, []string{"bytes of JSON"}},
		"an outage that ran backwards":        {func(c *ChangeRequest) { c.Spec.Fields.OutageDuration.Duration = -1 }, []string{"spec.fields.outageDuration"}},
		"an outage of ten years":              {func(c *ChangeRequest) { c.Spec.Fields.OutageDuration.Duration = 87600 * time.Hour }, []string{"spec.fields.outageDuration"}},
		"a window that ends before it starts": {func(c *ChangeRequest) { c.Spec.PlannedEnd = metav1.NewTime(testTime.Add(-time.Second)) }, []string{"spec.plannedEnd"}},
		"no window":                           {func(c *ChangeRequest) { c.Spec.PlannedStart, c.Spec.PlannedEnd = metav1.Time{}, metav1.Time{} }, []string{"spec.plannedEnd, spec.plannedStart"}},
		"ready although checks block":         {func(c *ChangeRequest) { c.Spec.Readiness.Blocked = 1 }, []string{"spec.readiness.ready"}},
		"fewer blocking checks than listed": {func(c *ChangeRequest) {
			c.Spec.Readiness = ReadinessVerdict{EvaluatedAt: testTime, Blocking: []CheckResult{{}}}
		}, []string{"spec.readiness.blocked"}},
		"a link that runs a script":        {func(c *ChangeRequest) { c.Spec.PromotionPR.URL = "javascript:alert(1)" }, []string{"spec.promotionPR.url"}},
		"an inventory with a password":     {func(c *ChangeRequest) { c.Spec.Inventory.URL = "https://me:secret@forge.example/i" }, []string{"has a password in it"}},
		"a commit that is a branch":        {func(c *ChangeRequest) { c.Spec.Inventory.To = "main" }, []string{"spec.inventory.to"}},
		"a branch that is an option":       {func(c *ChangeRequest) { c.Spec.Inventory.Branch = "--upload-pack=x" }, []string{"spec.inventory.branch"}},
		"an unknown stage, twice":          {func(c *ChangeRequest) { c.Spec.Stages = []Stage{{Name: "build"}, {Name: "build"}} }, []string{"spec.stages[0].name", "spec.stages[1].name"}},
		"a subject outside the inventory":  {func(c *ChangeRequest) { c.Spec.Subjects[0].Name = "../../etc/passwd" }, []string{"spec.subjects[0].name"}},
		"a subject with a short digest":    {func(c *ChangeRequest) { c.Spec.Subjects[0].Digest = "sha256:abc" }, []string{"spec.subjects[0].digest"}},
		"fewer subjects than listed":       {func(c *ChangeRequest) { c.Spec.SubjectsTotal = 0 }, []string{"spec.subjectsTotal"}},
		"a bundle without a digest":        {func(c *ChangeRequest) { c.Spec.Bundle = "registry.example/shop:1" }, []string{"spec.bundle"}},
		"a bundle on nobody's registry":    {func(c *ChangeRequest) { c.Spec.Bundle = "shop/bundles@" + testDigest }, []string{"spec.bundle", "with the registry spelled out"}},
		"a bundle with a tag and a digest": {func(c *ChangeRequest) { c.Spec.Bundle = "registry.example/shop:1@" + testDigest }, []string{"spec.bundle"}},
		"a bundle with a way out":          {func(c *ChangeRequest) { c.Spec.Bundle = "registry.example/shop/../ops@" + testDigest }, []string{"spec.bundle"}},
		"a bundle that is a URL":           {func(c *ChangeRequest) { c.Spec.Bundle = "http://registry.example/shop@" + testDigest }, []string{"spec.bundle"}},
		"an attachment of another digest": {func(c *ChangeRequest) {
			c.Spec.Attachments[0].Digest = strings.Replace(testDigest, ":a", ":b", 1)
		}, []string{"spec.attachments[0].reference", "the attachment's digest is sha256:b"}},
		"an attachment that escapes": {func(c *ChangeRequest) { c.Spec.Attachments[0].FileName = "/etc/passwd" }, []string{"spec.attachments[0].fileName"}},
		"an attachment twice":        {func(c *ChangeRequest) { c.Spec.Attachments = append(c.Spec.Attachments, c.Spec.Attachments[0]) }, []string{"attachment Delta Summary is listed twice: spec.attachments[1].name"}},
		"no run":                     {func(c *ChangeRequest) { c.Spec.Run = RunRef{} }, []string{"missing field(s): spec.run.name, spec.run.uid"}},
	} {
		t.Run(name, func(t *testing.T) {
			change := goodChange()
			if tc.edit != nil {
				tc.edit(change)
			}
			change.SetDefaults(as("runner"))
			checkError(t, change.Validate(as("runner")), tc.want)
		})
	}
}

func checkError(t *testing.T, err *apis.FieldError, want []string) {
	t.Helper()
	if (err != nil) != (len(want) > 0) {
		t.Fatalf("error %v, want one with %q", err, want)
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want %q in it", err, part)
		}
	}
}

func TestContentHash(t *testing.T) {
	spec := goodChange().Spec
	hash := ContentHash(&spec)
	if !digestPattern.MatchString(hash) {
		t.Fatalf("hash %q", hash)
	}

	// It survives the API server, which stores whole seconds and drops what is empty.
	spec.Readiness.EvaluatedAt = metav1.NewTime(testTime.Add(123 * time.Millisecond).In(time.FixedZone("", 3600)))
	spec.Readiness.Blocking = []CheckResult{}
	raw, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	var stored ChangeRequestSpec
	if err := json.Unmarshal(raw, &stored); err != nil {
		t.Fatal(err)
	}
	if got := ContentHash(&stored); got != hash {
		t.Errorf("hash of the stored spec %s, want %s", got, hash)
	}

	same := map[string]func(*ChangeRequestSpec){
		"run":          func(s *ChangeRequestSpec) { s.Run = RunRef{Name: "other", UID: "other"} },
		"window":       func(s *ChangeRequestSpec) { s.PlannedStart, s.PlannedEnd = metav1.Now(), metav1.Now() },
		"content hash": func(s *ChangeRequestSpec) { s.ContentHash = hash },
	}
	for name, edit := range same {
		edited := goodChange().Spec
		edit(&edited)
		if ContentHash(&edited) != hash {
			t.Errorf("another %s is another content", name)
		}
	}
	other := map[string]func(*ChangeRequestSpec){
		"summary":     func(s *ChangeRequestSpec) { s.Summary += "!" },
		"region":      func(s *ChangeRequestSpec) { s.Target.Region = "us" },
		"risk":        func(s *ChangeRequestSpec) { s.Fields.Risk = RiskHigh },
		"outage":      func(s *ChangeRequestSpec) { s.Fields.OutageDuration.Duration = time.Second },
		"readiness":   func(s *ChangeRequestSpec) { s.Readiness.Ready = false },
		"PR":          func(s *ChangeRequestSpec) { s.PromotionPR.Number++ },
		"inventory":   func(s *ChangeRequestSpec) { s.Inventory.To = strings.Repeat("f", 40) },
		"stage":       func(s *ChangeRequestSpec) { s.Stages[0].ScriptDigest = "" },
		"subject":     func(s *ChangeRequestSpec) { s.Subjects[0].Digest = "" },
		"bundle":      func(s *ChangeRequestSpec) { s.Bundle += "0" },
		"attachments": func(s *ChangeRequestSpec) { s.Attachments = nil },
	}
	for name, edit := range other {
		edited := goodChange().Spec
		edit(&edited)
		if ContentHash(&edited) == hash {
			t.Errorf("another %s is the same content", name)
		}
	}
}

func TestChangeRequestContentHashIsChecked(t *testing.T) {
	change := goodChange()
	change.Spec.ContentHash = testDigest
	change.SetDefaults(as("runner"))
	checkError(t, change.Validate(as("runner")), []string{"spec.contentHash", "leave the field empty to have it computed"})
}

func TestChangeRequestCreatorNeverChanges(t *testing.T) {
	old := goodChange()
	old.Annotations = map[string]string{countersign.AnnotationCreator: "runner"}
	now := old.DeepCopy()
	now.Annotations["note"] = "fine"
	ctx := apis.WithinUpdate(context.Background(), old)
	checkError(t, now.Validate(ctx), nil)
	now.Annotations[countersign.AnnotationCreator] = "mallory"
	checkError(t, now.Validate(ctx), []string{"who created a change request never changes"})
}

func TestValidateChangeRequestDeletion(t *testing.T) {
	for _, tc := range []struct {
		state, user string
		want        string
	}{
		{"", "admin", "change request chg-abc is New: it can be deleted once it is Closed or Canceled"},
		{"Implement", "admin", "change request chg-abc is Implement: it can be deleted once it is Closed or Canceled"},
		{"Review", "admin", "change request chg-abc is Review: it can be deleted once it is Closed or Canceled"},
		{"Closed", "admin", ""},
		{"Canceled", "admin", ""},
		{"Implement", "system:serviceaccount:kube-system:namespace-controller", ""},
		{"Implement", "system:serviceaccount:kube-system:generic-garbage-collector", ""},
		{"Implement", "system:serviceaccount:shop:namespace-controller", "change request chg-abc is Implement: it can be deleted once it is Closed or Canceled"},
	} {
		object := &unstructured.Unstructured{Object: map[string]any{"metadata": map[string]any{"name": "chg-abc"}, "status": map[string]any{"state": tc.state}}}
		got := ""
		if err := ValidateChangeRequestDeletion(as(tc.user), object); err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("state %q, user %s (-want +got):\n%s", tc.state, tc.user, diff)
		}
	}
}

func TestChangeApprovalIsStamped(t *testing.T) {
	approval := &ChangeApproval{Spec: ChangeApprovalSpec{
		ChangeRequest: "chg-abc", ContentHash: testDigest, Decision: DecisionApprove,
		Approver: Approver{Username: "boss", UID: "forged", Groups: []string{"system:masters"}},
	}}
	approval.SetDefaults(as("ann", "devs"))
	if diff := cmp.Diff(Approver{Username: "ann", UID: "uid-ann", Groups: []string{"devs"}}, approval.Spec.Approver); diff != "" {
		t.Errorf("approver (-want +got):\n%s", diff)
	}
	if got := approval.Labels[countersign.LabelChangeRequest]; got != "chg-abc" {
		t.Errorf("label %q, want chg-abc", got)
	}
	// An update, which the schema refuses if it touches the spec, restamps nothing.
	before := approval.DeepCopy()
	approval.SetDefaults(apis.WithinUpdate(apis.WithUserInfo(context.Background(), &authenticationv1.UserInfo{Username: "mallory"}), before))
	if diff := cmp.Diff(before, approval); diff != "" {
		t.Errorf("an update changed it (-want +got):\n%s", diff)
	}
}

func TestChangeApprovalValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*ChangeApprovalSpec)
		want []string
	}{
		"an approval":                     {},
		"a rejection with a reason":       {edit: func(s *ChangeApprovalSpec) { s.Decision, s.Comment = DecisionReject, "no" }},
		"a rejection without a reason":    {func(s *ChangeApprovalSpec) { s.Decision, s.Comment = DecisionReject, " \n" }, []string{"a rejection needs a comment that says why: spec.comment"}},
		"an unknown decision":             {func(s *ChangeApprovalSpec) { s.Decision = "maybe" }, []string{"spec.decision", "want approve, reject"}},
		"no content":                      {func(s *ChangeApprovalSpec) { s.ContentHash = "" }, []string{"missing field(s): spec.contentHash"}},
		"another's stamp":                 {func(s *ChangeApprovalSpec) { s.Approver.Username = "boss" }, []string{"spec.approver"}},
		"no stamp":                        {func(s *ChangeApprovalSpec) { s.Approver = Approver{} }, []string{"spec.approver"}},
		"a change request in other words": {func(s *ChangeApprovalSpec) { s.ChangeRequest = "a/b" }, []string{"spec.changeRequest"}},
		"a comment without an end":        {func(s *ChangeApprovalSpec) { s.Comment = strings.Repeat("x", 5000) }, []string{"spec.comment"}},
	} {
		t.Run(name, func(t *testing.T) {
			approval := &ChangeApproval{Spec: ChangeApprovalSpec{ChangeRequest: "chg-abc", ContentHash: testDigest, Decision: DecisionApprove}}
			approval.SetDefaults(as("ann"))
			if tc.edit != nil {
				tc.edit(&approval.Spec)
			}
			checkError(t, approval.Validate(as("ann")), tc.want)
		})
	}
}

func TestChangeConclusionValidate(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*ChangeConclusionSpec)
		want []string
	}{
		"a whole one":             {},
		"one of a refused gate":   {edit: func(s *ChangeConclusionSpec) { s.Readiness, s.Bundle, s.Attachments = nil, "", nil }},
		"no change request":       {func(s *ChangeConclusionSpec) { s.ChangeRequest = "" }, []string{"spec.changeRequest"}},
		"no run":                  {func(s *ChangeConclusionSpec) { s.Run = RunRef{} }, []string{"spec.run.name", "spec.run.uid"}},
		"a verdict that lies":     {func(s *ChangeConclusionSpec) { s.Readiness.Blocked = 1 }, []string{"spec.readiness.ready"}},
		"a loose attachment":      {func(s *ChangeConclusionSpec) { s.Bundle = "" }, []string{"missing field(s): spec.bundle"}},
		"an attachment elsewhere": {func(s *ChangeConclusionSpec) { s.Attachments[0].Reference = "x@" + testDigest }, []string{"spec.attachments[0].reference"}},
	} {
		t.Run(name, func(t *testing.T) {
			change := goodChange().Spec
			spec := &ChangeConclusionSpec{ChangeRequest: "chg-abc", Run: change.Run, Readiness: &change.Readiness, Bundle: change.Bundle, Attachments: change.Attachments}
			if tc.edit != nil {
				tc.edit(spec)
			}
			conclusion := &ChangeConclusion{Spec: *spec}
			conclusion.SetDefaults(as("runner"))
			checkError(t, conclusion.Validate(as("runner")), tc.want)
		})
	}
}

func TestChangePolicy(t *testing.T) {
	policy := &ChangePolicy{Spec: ChangePolicySpec{NamespaceSelector: &metav1.LabelSelector{}}}
	policy.SetDefaults(as("admin"))
	if diff := cmp.Diff(ChangePolicySpec{
		NamespaceSelector: &metav1.LabelSelector{},
		Backend:           BackendPolicy{Type: "cluster"},
		Approval:          ApprovalPolicy{Required: 1, RiskLimit: RiskModerate},
		Gate:              GatePolicy{Mode: GateWait, Timeout: metav1.Duration{Duration: time.Hour}},
	}, policy.Spec); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	checkError(t, policy.Validate(as("admin")), nil)

	for name, tc := range map[string]struct {
		edit func(*ChangePolicySpec)
		want []string
	}{
		"no selector": {func(s *ChangePolicySpec) { s.NamespaceSelector = nil }, []string{"spec.namespaceSelector", "Use {} to select all"}},
		"a selector that fails": {func(s *ChangePolicySpec) {
			s.NamespaceSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Sounds"}}}
		}, []string{"spec.namespaceSelector"}},
		"an unknown backend":    {func(s *ChangePolicySpec) { s.Backend.Type = "paper" }, []string{"spec.backend.type", "want cluster"}},
		"an unknown risk":       {func(s *ChangePolicySpec) { s.Approval.RiskLimit = "any" }, []string{"spec.approval.riskLimit"}},
		"no approvals":          {func(s *ChangePolicySpec) { s.Approval.Required = -1 }, []string{"spec.approval.required"}},
		"an unknown gate":       {func(s *ChangePolicySpec) { s.Gate.Mode = "open" }, []string{"spec.gate.mode"}},
		"a gate without an end": {func(s *ChangePolicySpec) { s.Gate.Timeout.Duration = 10000 * time.Hour }, []string{"spec.gate.timeout"}},
		"good prefixes": {func(s *ChangePolicySpec) {
			s.Bundles.RepositoryPrefixes = []string{"registry.example", "registry.example:5000/a", "10.0.0.1:5000/shop/x"}
		}, nil},
		"a prefix with a star":    {func(s *ChangePolicySpec) { s.Bundles.RepositoryPrefixes = []string{"registry.example/*"} }, []string{"spec.bundles.repositoryPrefixes[0]"}},
		"a prefix with a slash":   {func(s *ChangePolicySpec) { s.Bundles.RepositoryPrefixes = []string{"registry.example/a/"} }, []string{"spec.bundles.repositoryPrefixes[0]"}},
		"a prefix with a scheme":  {func(s *ChangePolicySpec) { s.Bundles.RepositoryPrefixes = []string{"https://registry.example"} }, []string{"spec.bundles.repositoryPrefixes[0]"}},
		"a prefix with a way out": {func(s *ChangePolicySpec) { s.Bundles.RepositoryPrefixes = []string{"registry.example/a/.."} }, []string{"spec.bundles.repositoryPrefixes[0]"}},
		"an empty prefix":         {func(s *ChangePolicySpec) { s.Bundles.RepositoryPrefixes = []string{""} }, []string{"spec.bundles.repositoryPrefixes[0]"}},
		"good checks": {func(s *ChangePolicySpec) {
			s.RequiredChecks = []RequiredChecks{{AssetType: "commit", EvidenceTypes: []string{"com.ibm.unit_tests"}}, {AssetType: "image"}}
		}, nil},
		"checks of one type twice": {func(s *ChangePolicySpec) {
			s.RequiredChecks = []RequiredChecks{{AssetType: "image"}, {AssetType: "image"}}
		}, []string{"spec.requiredChecks[1].assetType"}},
		"an odd evidence type": {func(s *ChangePolicySpec) {
			s.RequiredChecks = []RequiredChecks{{AssetType: "image", EvidenceTypes: []string{"a b"}}}
		}, []string{"spec.requiredChecks[0].evidenceTypes[0]"}},
	} {
		t.Run(name, func(t *testing.T) {
			edited := policy.DeepCopy()
			tc.edit(&edited.Spec)
			checkError(t, edited.Validate(as("admin")), tc.want)
		})
	}
}

func FuzzParseReference(f *testing.F) {
	f.Add("registry.example/shop@" + testDigest)
	f.Add("a/../b@" + testDigest)
	f.Fuzz(func(t *testing.T, reference string) {
		digest, err := ParseReference(reference)
		if err != nil {
			return
		}
		if digest.Context().Name()+"@"+digest.DigestStr() != reference || strings.Contains(reference, "..") {
			t.Errorf("%q was read as %v", reference, digest)
		}
	})
}
