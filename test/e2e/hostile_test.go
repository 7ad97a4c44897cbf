// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/go-git/go-git/v5/plumbing/filemode"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/test/fixture"
)

// TestFaultyPullRequest: five faults are told in one message, and nothing is
// created.
func TestFaultyPullRequest(t *testing.T) {
	t.Parallel()
	p := newProject(t, fixture.ProjectOptions{})
	body := fixture.GoodBody()
	body.Priority = "Urgent"
	body.Assignee = "somebody"
	body.CustomerImpact = "Critical | High | Moderate | Low | No_Impact"
	body.DeploymentImpact = ""
	body.BackoutPlan = "_PROVIDE INFORMATION_"
	promoted := promote(t, p, "1.0.0", nil, body)
	run := start(t, p, nil)
	wantFailed(t, run)
	wantReason(t, run, "assess", "StepFailed")
	wantNothingDeployed(t, run)
	wantNoChange(t, p)
	log := strings.ToLower(wantLog(t, run, "assess"))
	for _, want := range []string{
		"<priority>", "urgent", "<assignedto>", "somebody", "<customerimpact>", "<deploymentimpact>", "<backoutplan>", promoted.URL,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not speak of %s:\n%s", want, log)
		}
	}
}

// steering is what steers terminals and readers: control characters, colours,
// and characters that turn the direction of text.
const steering = "\x1b[31mred\x1b[0m \x07bell \u202eright to left\u202c \u2066isolate\u2069 \u200bzero width"

// TestHostilePullRequest: a body of a megabyte is refused. Whatever a shorter
// one says is carried through as text, and shown without steering anything.
func TestHostilePullRequest(t *testing.T) {
	t.Parallel()
	p := newProject(t, fixture.ProjectOptions{})
	body := fixture.GoodBody()
	body.Purpose = "A long story: " + strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	promoted := promote(t, p, "1.0.0", nil, body)
	run := start(t, p, nil)
	wantFailed(t, run)
	wantLog(t, run, "assess", "error: body: found", promoted.URL)
	wantNoChange(t, p)

	const substitutions = "$(params.target-environment) $(context.pipelineRun.name) $(tasks.assess.results.bundle) `id` $(id) ${HOME} ; touch /tmp/pwned && rm -rf / | tee > x 'q\" \\"
	body.Description = substitutions + "\n" + steering
	body.Purpose = "A shorter story: " + strings.Repeat("0123456789abcdef", 1000) // just below the limit
	body.BackoutPlan = "`reboot` " + substitutions
	promote(t, p, "1.1.0", nil, body)
	run = start(t, p, nil)
	wantSucceeded(t, run)
	change := wantChange(t, run)
	wantEnd(t, change, v1alpha1.StateClosed, v1alpha1.CategorySuccessful)
	for field, text := range map[string]string{"description": change.Spec.Fields.Description, "backout plan": change.Spec.Fields.BackoutPlan} {
		for _, want := range []string{"$(params.target-environment)", "$(context.pipelineRun.name)", "$(id)", "touch /tmp/pwned"} {
			if !strings.Contains(text, want) {
				t.Errorf("the %s lost %q: %.400q", field, want, text)
			}
		}
	}
	shown := tkn(t, "change", "describe", change.Name, "--namespace", p.Namespace)
	log := wantLog(t, run, "assess")
	for what, text := range map[string]string{"tkn change describe": shown, "the log of assess": log} {
		for _, r := range text {
			if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
				t.Errorf("%s shows the character %U", what, r)
				break
			}
		}
	}
}

// TestHostileInventory: entries that are no entries are told of, all at once,
// and nothing is created.
func TestHostileInventory(t *testing.T) {
	t.Parallel()
	p := newProject(t, fixture.ProjectOptions{})
	entry, err := p.Release(t.Context(), "1.0.0", nil)
	if err != nil {
		t.Fatal(err)
	}
	tricky := entry
	tricky.Name = "../../../etc/passwd"
	unnamed := entry
	unnamed.SHA256, unnamed.Provenance, unnamed.Artifact = "", "", "hello"
	_, err = p.Promote(t.Context(), fixture.GoodBody().String(), map[string]fixture.File{
		"hello":          entry.File(),
		"not-json":       fixture.Text("this is not JSON\n"),
		"a-list":         fixture.Text("[1, 2, 3]\n"),
		"path-trick":     tricky.File(),
		"without-digest": unnamed.File(),
		"link":           {Content: []byte("/etc/passwd"), Mode: filemode.Symlink},
		"deep":           fixture.Text(strings.Repeat("[", 100_000)),
	})
	if err != nil {
		t.Fatal(err)
	}
	run := start(t, p, map[string]string{"gate": "stop"})
	wantFailed(t, run)
	wantNothingDeployed(t, run)
	log := wantLog(t, run, "assess", "not-json", "a-list", "link", "deep")
	if strings.Contains(log, "root:x:0") {
		t.Errorf("the log shows a file from outside the inventory:\n%s", log)
	}
	if strings.Contains(log, "goroutine ") {
		t.Errorf("assess crashed:\n%s", log)
	}
	wantReason(t, run, "assess", "StepFailed")
	wantNoChange(t, p)
}

// zeros is a reader of many of them.
type zeros struct{ size, at int64 }

func (z *zeros) Read(into []byte) (int, error) {
	if z.at >= z.size {
		return 0, io.EOF
	}
	n := min(int64(len(into)), z.size-z.at)
	clear(into[:n])
	z.at += n
	return int(n), nil
}

func (z *zeros) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		z.at = offset
	case io.SeekCurrent:
		z.at += offset
	case io.SeekEnd:
		z.at = z.size + offset
	}
	return z.at, nil
}

// TestHostileLocker: evidence with words that nobody knows, records that are
// no records, and one of a gigabyte never make a deployment ready.
func TestHostileLocker(t *testing.T) {
	t.Parallel()
	p := newProject(t, fixture.ProjectOptions{})
	entry, err := p.Release(t.Context(), "1.0.0", fixture.Outcomes{
		evidence.TypeUnitTests: fixture.Missing, evidence.TypeStaticScan: fixture.Missing,
		evidence.TypeDetectSecrets: fixture.Missing, evidence.TypeImageSigning: fixture.Missing,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Promote(t.Context(), fixture.GoodBody().String(), map[string]fixture.File{"hello": entry.File()}); err != nil {
		t.Fatal(err)
	}
	commit := evidence.CommitID(entry.CommitSHA)
	put := func(id int, content io.ReadSeeker) {
		t.Helper()
		name := fmt.Sprintf("%064x", id)
		marker := fmt.Sprintf("raw/assets/%s/%s/evidences/%s", commit[:2], commit[2:], name)
		if err := p.Locker.Put(t.Context(), marker, strings.NewReader("")); err != nil {
			t.Fatal(err)
		}
		record := fmt.Sprintf("raw/evidences/%s/%s/index.json", name[:2], name[2:])
		if err := p.Locker.Put(t.Context(), record, content); err != nil {
			t.Fatal(err)
		}
	}
	record := func(id int, check, result string) io.ReadSeeker {
		return strings.NewReader(fmt.Sprintf(
			`{"version":"2","id":"%064x","date":%q,"evidence_type_id":%q,"details":{"result":%s,"tool":"tool"},"assets":[{"hash":%q}]}`,
			id, time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), check, result, commit))
	}
	put(1, record(1, evidence.TypeUnitTests, `"Success!"`))
	put(2, record(2, evidence.TypeStaticScan, `true`))
	put(3, record(3, evidence.TypeDetectSecrets, `"\u202esuccess\u001b[31m"`))
	put(4, &zeros{size: 1 << 30})
	put(5, strings.NewReader("no JSON"))

	run := start(t, p, map[string]string{"gate": "stop"})
	wantFailed(t, run)
	wantReason(t, run, "approve-change", "ApprovalRequired")
	wantNothingDeployed(t, run)
	change := wantChange(t, run)
	if change.Spec.Readiness.Ready {
		t.Error("readiness is true")
	}
	blocking := map[string]bool{}
	for _, check := range change.Spec.Readiness.Blocking {
		blocking[check.Check] = true
	}
	for _, check := range []string{evidence.TypeUnitTests, evidence.TypeStaticScan, evidence.TypeDetectSecrets, evidence.TypeImageSigning} {
		if !blocking[check] {
			t.Errorf("%s does not block; %v do", check, blocking)
		}
	}
	for id, why := range map[int]string{4: "1073741824 bytes", 5: "not a JSON object"} {
		if !slices.ContainsFunc(change.Spec.Readiness.Blocking, func(c v1alpha1.CheckResult) bool {
			return strings.Contains(c.Reason, fmt.Sprintf("%062x/index.json", id)) && strings.Contains(c.Reason, why)
		}) {
			t.Errorf("no reason says that record %d has %q: %+v", id, why, change.Spec.Readiness.Blocking)
		}
	}
	log := wantLog(t, run, "assess", "DEPLOYMENT_READY=false")
	if strings.ContainsAny(log, "\x1b\u202e") {
		t.Error("the log of assess shows characters that steer terminals")
	}
}
