// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/test/fixture"
)

// scenario is one story that the demo can tell.
type scenario struct {
	name string
	// story is what is special about it, in one line.
	story string
	// expect is what to look for at the end.
	expect string
	// outcomes of the release's checks, and the pull request's body.
	outcomes fixture.Outcomes
	body     func(*fixture.Body)
	// demands are what the policy asks for beyond evidence.
	demands *fixture.Demands
	// sign puts signatures beside the released image.
	sign func(ctx context.Context, signer *fixture.Signer, image fixture.Image, entry fixture.Entry) error
	// approved is true if somebody approves the pull request before it is merged.
	approved bool
	// nothingNew promotes nothing: the target stays as it is.
	nothingNew bool
	// refused is true if the run must not deploy, and so ends red.
	refused bool
	// log is the task whose log belongs to the story.
	log string
	// params of the run, beside the usual ones.
	params map[string]string
	// atGate acts when the gate waits for a decision. Without it, a person has to.
	atGate func(ctx context.Context, d *demo, change string) error
	// meanwhile acts while the run goes on.
	meanwhile func(ctx context.Context, d *demo, run *fixture.Run) error
}

// ownTask is what a team's own Task may look like: it declares those of the
// Pipeline's parameters that it wants.
const ownTask = `
apiVersion: tekton.dev/v1
kind: Task
metadata:
  name: announce
spec:
  description: A stand-in for a team's own way to deploy.
  params:
  - {name: stage, type: string}
  - {name: change-request-id, type: string}
  - {name: bundle, type: string}
  steps:
  - name: announce
    image: %s
    env:
    - {name: STAGE, value: $(params.stage)}
    - {name: CHANGE_REQUEST_ID, value: $(params.change-request-id)}
    - {name: BUNDLE, value: $(params.bundle)}
    script: |
      #!/bin/sh
      echo "$STAGE under change request $CHANGE_REQUEST_ID, files in $BUNDLE"
    securityContext:
      runAsNonRoot: true
      runAsUser: 65532
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL]}
      seccompProfile: {type: RuntimeDefault}
`

// blocked is one check that failed, one that has not ended, and one that was
// never made.
var blocked = fixture.Outcomes{
	evidence.TypeUnitTests:              string(evidence.ResultFailure),
	evidence.TypeImageVulnerabilityScan: string(evidence.ResultPending),
	evidence.TypeImageSigning:           fixture.Missing,
}

// demanding is a policy that takes nobody's word.
var demanding = &fixture.Demands{
	Signatures: true,
	Attestations: []v1alpha1.AttestationRule{
		{PredicateType: fixture.ProvenancePredicate, EvidenceType: "com.example.provenance", Builders: []string{fixture.Builder}},
	},
	PeerReview:     &v1alpha1.PeerReviewPolicy{Approvals: 1},
	SignedEvidence: true,
}

// signAll signs an image, and says what it was built from.
func signAll(ctx context.Context, signer *fixture.Signer, image fixture.Image, entry fixture.Entry) error {
	if err := signer.Sign(ctx, image); err != nil {
		return err
	}
	return signer.Attest(ctx, image, fixture.ProvenancePredicate, fixture.Provenance(entry))
}

var scenarios = []scenario{
	{
		name:   "ready",
		story:  "all evidence is good: approved without a person, deployed, tested, closed",
		expect: "state Closed, category successful, four attachments",
	},
	{
		name:     "blocked",
		story:    "one check failed, one is pending, one is missing: the gate waits for you",
		expect:   "after your approval: Closed, successful with issues",
		outcomes: blocked,
	},
	{
		name:     "stop",
		story:    "not approved, and the gate does not wait: the run ends, the change stays open",
		expect:   "the change in state Authorize; approve it, then resume with the printed command",
		refused:  true,
		log:      "close-change",
		outcomes: blocked,
		params:   map[string]string{"gate": "stop"},
	},
	{
		name:     "reject",
		story:    "an approver says no while the gate waits",
		expect:   "state Canceled, nothing deployed",
		refused:  true,
		outcomes: blocked,
		atGate: func(ctx context.Context, d *demo, change string) error {
			return d.tkn(ctx, "change", "reject", change, "--namespace", d.project.Namespace, "--message", "The failed unit tests concern this release.", "--yes")
		},
	},
	{
		name:     "timeout",
		story:    "nobody decides in time",
		expect:   "the gate ends with reason Expired, the change stays open",
		refused:  true,
		outcomes: blocked,
		params:   map[string]string{"approval-timeout": "20s"},
	},
	{
		name:     "cancel",
		story:    "the run is cancelled while the gate waits",
		expect:   "the gate ends with reason CustomRunCancelled, nothing deployed",
		refused:  true,
		outcomes: blocked,
		atGate: func(ctx context.Context, d *demo, _ string) error {
			return d.tkn(ctx, "pipelinerun", "cancel", d.run.Name, "--namespace", d.project.Namespace)
		},
	},
	{
		name:    "faults",
		story:   "the promotion pull request has five faults",
		expect:  "one message that lists all five, no change request",
		refused: true,
		log:     "assess",
		body: func(b *fixture.Body) {
			b.Priority, b.Assignee, b.CustomerImpact = "Urgent", "somebody", "Critical | High | Moderate | Low | No_Impact"
			b.DeploymentImpact, b.BackoutPlan = "", "_PROVIDE INFORMATION_"
		},
	},
	{
		name:      "crash",
		story:     "the controller is killed again and again while the change is opened",
		expect:    "exactly one change request, and the run completes",
		meanwhile: killControllers,
	},
	{
		name:   "outage",
		story:  "a planned outage is never approved without a person, ready or not",
		expect: "the gate waits although DEPLOYMENT_READY is true",
		params: map[string]string{"outage-duration": "0 00:30:00"},
	},
	{
		name:   "risk",
		story:  "a risk above the policy's limit is never approved without a person",
		expect: "the gate waits although DEPLOYMENT_READY is true",
		body: func(b *fixture.Body) {
			b.Priority, b.CustomerImpact, b.DeploymentImpact = "Critical", "Critical", "Large"
		},
	},
	{
		name:   "own-task",
		story:  "deploy and acceptance test are a Task of your own",
		expect: "its log shows the change request's id and the bundle",
		log:    "deploy",
		params: map[string]string{"deploy-task": "announce", "acceptance-test-task": "announce"},
	},
	{
		name:    "unsigned",
		story:   "the policy demands signed images, and nobody signed this one",
		expect:  "the change in state Authorize; com.ibm.cloud.verify_signature alone blocks, and says what would unblock it",
		refused: true,
		log:     "assess",
		demands: &fixture.Demands{Signatures: true},
		params:  map[string]string{"gate": "stop"},
	},
	{
		name:    "unreviewed",
		story:   "the policy demands peer review, and the pull request was merged without an approval",
		expect:  "the change in state Authorize; com.ibm.peer_review alone blocks, and says what would unblock it",
		refused: true,
		log:     "assess",
		demands: &fixture.Demands{PeerReview: &v1alpha1.PeerReviewPolicy{Approvals: 1}},
		params:  map[string]string{"gate": "stop"},
	},
	{
		name:     "signed",
		story:    "signatures, provenance, peer review and signed evidence are demanded, and all are there",
		expect:   "state Closed, category successful; the log of assess lists every check, and none blocks",
		log:      "assess",
		demands:  demanding,
		sign:     signAll,
		approved: true,
	},
	{
		name:       "unchanged",
		story:      "nothing changed since the last deployment",
		expect:     "green at once, no change request",
		log:        "assess",
		nothingNew: true,
	},
	{
		name:       "redeploy",
		story:      "nothing changed, but everything is to be deployed again",
		expect:     "a change request with every entry, Closed",
		nothingNew: true,
		params:     map[string]string{"force-redeploy": "true"},
	},
}

func findScenario(name string) (scenario, error) {
	for _, s := range scenarios {
		if s.name == name {
			return s, nil
		}
	}
	return scenario{}, advise(fmt.Errorf("there is no scenario %q", name), "choose one of these:\n\n%s", listScenarios())
}

func listScenarios() string {
	var list strings.Builder
	for _, s := range scenarios {
		fmt.Fprintf(&list, "  make demo SCENARIO=%-11s %s\n", s.name, s.story)
	}
	return list.String()
}

// killControllers kills the controller's pods three times: when the run begins,
// and at two stages of opening its change request.
func killControllers(ctx context.Context, d *demo, run *fixture.Run) error {
	moments := []string{"assess", "open-change"}
	for i := range len(moments) + 1 {
		if i > 0 {
			if err := d.waitStage(ctx, run, moments[i-1]); err != nil {
				return err
			}
		}
		killed, err := d.env.KillControllers(ctx)
		if err != nil {
			return err
		}
		d.note("killed %s", strings.Join(killed, ", "))
	}
	return nil
}

// waitStage waits until a stage has begun, or the run has ended.
func (d *demo) waitStage(ctx context.Context, run *fixture.Run, name string) error {
	ended := errors.New("the run has ended")
	err := fixture.Poll(ctx, pollInterval, runDeadline, func() (bool, error) {
		current, err := run.Get(ctx)
		if err != nil {
			return false, err
		}
		for _, child := range current.Status.ChildReferences {
			if child.PipelineTaskName == name {
				return true, nil
			}
		}
		if current.IsDone() {
			return false, ended
		}
		return false, nil
	})
	if errors.Is(err, ended) {
		return nil
	}
	return err
}

// openEnds says what earlier stories left that a scenario must not find, empty
// if nothing.
func (d *demo) openEnds(ctx context.Context, s scenario) (string, error) {
	if err := d.project.Inventory.Fetch(ctx); err != nil {
		return "", err
	}
	return openEnds(s, d.project.Inventory.Tag(fixture.Target+"_latest"), d.project.Inventory.Head(fixture.Target)), nil
}

// openEnds compares the commit that was deployed last, empty if none, with the
// one that is promoted. Promotions in between would be part of a scenario's
// delta, and their pull requests among those to review. Before the first
// deployment only the newest is reviewed.
func openEnds(s scenario, deployed, promoted string) string {
	switch {
	case deployed == promoted:
		return ""
	case s.nothingNew && deployed == "":
		return "Nothing is deployed yet"
	case s.nothingNew, s.demands != nil && deployed != "":
		return "The last promotion is not deployed yet"
	}
	return ""
}
