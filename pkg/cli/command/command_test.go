// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	tektonfake "github.com/tektoncd/pipeline/pkg/client/clientset/versioned/fake"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kubefake "k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"knative.dev/pkg/apis"
	"sigs.k8s.io/yaml"

	"github.com/countersign-dev/countersign/pkg/apis/countersign"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/clitest"
	"github.com/countersign-dev/countersign/pkg/client/clientset/versioned/fake"
)

const id = "chg-4k2m7xqpav"

// world is a server with some objects, and a person in front of it.
type world struct {
	changes *fake.Clientset
	kube    *kubefake.Clientset
	tekton  *tektonfake.Clientset
	// denied are the verbs that the person may not use.
	denied []string
	// answer is what the person types; interactive whether they can.
	answer      string
	interactive bool
	// onSleep happens while a command waits.
	onSleep func()
	slept   time.Duration
	columns int
	out     bytes.Buffer
	err     bytes.Buffer
}

func newWorld(objects ...runtime.Object) *world {
	w := &world{changes: fake.NewSimpleClientset(objects...), kube: kubefake.NewClientset(), tekton: tektonfake.NewSimpleClientset()}
	w.changes.PrependReactor("create", "changeapprovals", func(action clienttesting.Action) (bool, runtime.Object, error) {
		approval := action.(clienttesting.CreateAction).GetObject().(*v1alpha1.ChangeApproval)
		approval.Name = approval.GenerateName + "x1" // as the API server does
		return false, nil, nil
	})
	w.kube.PrependReactor("create", "selfsubjectreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, &authenticationv1.SelfSubjectReview{Status: authenticationv1.SelfSubjectReviewStatus{
			UserInfo: authenticationv1.UserInfo{Username: "barbara"},
		}}, nil
	})
	w.kube.PrependReactor("create", "selfsubjectaccessreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
		review := action.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
		review.Status.Allowed = true
		for _, verb := range w.denied {
			if review.Spec.ResourceAttributes.Verb == verb {
				review.Status.Allowed = false
			}
		}
		return true, review, nil
	})
	return w
}

// run runs a command line and returns its exit code.
func (w *world) run(args ...string) int {
	return Run(context.Background(), Env{
		In: strings.NewReader(w.answer), Out: &w.out, Err: &w.err, Interactive: w.interactive, Columns: w.columns,
		Now: func() time.Time { return clitest.Now },
		Sleep: func(_ context.Context, d time.Duration) error {
			w.slept += d
			if w.onSleep != nil {
				w.onSleep()
			}
			return nil
		},
		Connect: func(flags Flags) (*Server, error) {
			server := &Server{Namespace: "team-a", Changes: w.changes, Kube: w.kube, Tekton: w.tekton}
			if flags.Namespace != "" {
				server.Namespace = flags.Namespace
			}
			return server, nil
		},
		Version: "v0.0.0-test",
	}, args)
}

// written returns the decisions that were recorded.
func (w *world) written(t *testing.T) []v1alpha1.ChangeApproval {
	t.Helper()
	list, err := w.changes.CountersignV1alpha1().ChangeApprovals("").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func (w *world) expect(t *testing.T, code, want int) {
	t.Helper()
	if code != want {
		t.Errorf("exit code %d, want %d\nout: %s\nerr: %s", code, want, &w.out, &w.err)
	}
}

func elsewhere(change *v1alpha1.ChangeRequest) {
	change.Name, change.Namespace = "chg-otherother", "team-b"
	change.CreationTimestamp = metav1.NewTime(clitest.Opened.Add(time.Hour))
	change.Spec.Target = v1alpha1.Target{Environment: "stage"}
}

func TestList(t *testing.T) {
	for file, args := range map[string][]string{
		"list.golden":      {"list"},
		"list-all.golden":  {"ls", "-A"},
		"list-bare.golden": {"ls", "-A", "--no-headers", "--state", "open", "--target", "stage"},
		"list-name.golden": {"list", "-A", "-o", "name"},
		"list-json.golden": {"list", "-o", "json", "--limit", "1"},
		"list-yaml.golden": {"list", "-A", "-o", "yaml", "--state", "closed"},
	} {
		t.Run(file, func(t *testing.T) {
			w := newWorld(clitest.Change(), clitest.Change(clitest.Closed, elsewhere, func(change *v1alpha1.ChangeRequest) {
				change.Status.State = v1alpha1.StateReview
			}))
			w.expect(t, w.run(args...), ExitOK)
			clitest.Golden(t, file, w.out.Bytes())
		})
	}
}

func TestNothingToListIsNoError(t *testing.T) {
	w := newWorld()
	w.expect(t, w.run("list"), ExitOK)
	if diff := cmp.Diff("No change requests found in namespace team-a\n", w.err.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if w.out.Len() > 0 {
		t.Errorf("written to standard output: %s", &w.out)
	}
}

func TestOutputParses(t *testing.T) {
	for name, c := range map[string]struct {
		args  []string
		parse func([]byte, any) error
	}{
		"describe as JSON": {[]string{"describe", id, "-o", "json"}, json.Unmarshal},
		"describe as YAML": {[]string{"desc", id, "-o", "yaml"}, func(data []byte, v any) error { return yaml.Unmarshal(data, v) }},
	} {
		t.Run(name, func(t *testing.T) {
			want := clitest.Change(clitest.Closed)
			w := newWorld(want)
			w.expect(t, w.run(c.args...), ExitOK)
			var got v1alpha1.ChangeRequest
			if err := c.parse(w.out.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, &got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	t.Run("an empty list as JSON", func(t *testing.T) {
		w := newWorld()
		w.expect(t, w.run("list", "-o", "json"), ExitOK)
		if !strings.Contains(w.out.String(), `"items": []`) {
			t.Errorf("got %s", &w.out)
		}
	})
}

func TestDescribe(t *testing.T) {
	other := clitest.Approval("a2", "barbara", v1alpha1.DecisionApprove, clitest.Hash)
	other.Spec.ChangeRequest = "chg-otherother"
	other.Labels[countersign.LabelChangeRequest] = "chg-otherother"
	mine := clitest.Approval("a1", "barbara", v1alpha1.DecisionApprove, "sha256:"+strings.Repeat("0", 64))
	w := newWorld(clitest.Change(), clitest.Change(elsewhere), &mine, &other)
	w.expect(t, w.run("describe", "--last"), ExitOK)
	out := w.out.String()
	if strings.Count(out, "by barbara") != 1 || !strings.Contains(out, "not looked at yet") {
		t.Errorf("want the one decision on this change:\n%s", out)
	}
}

func TestDescribeSaysHowToResume(t *testing.T) {
	stopped := clitest.Change(clitest.Stopped)
	run := &tektonv1.PipelineRun{
		ObjectMeta: metav1.ObjectMeta{Name: "cd-run-1", Namespace: "team-a", UID: "run-uid-1"},
		Spec:       tektonv1.PipelineRunSpec{PipelineRef: &tektonv1.PipelineRef{Name: "cd"}},
	}
	t.Run("by the run's own parameters", func(t *testing.T) {
		w := newWorld(stopped)
		if err := w.tekton.Tracker().Add(run); err != nil {
			t.Fatal(err)
		}
		w.expect(t, w.run("describe", id), ExitOK)
		if !strings.Contains(w.out.String(), "tkn pipeline start cd") || !strings.Contains(w.out.String(), "change-request-id="+id) {
			t.Errorf("no command to resume in\n%s", &w.out)
		}
	})
	t.Run("also if the run was killed while it deployed", func(t *testing.T) {
		for name, c := range map[string]struct {
			ended  corev1.ConditionStatus
			resume bool
		}{
			"killed":     {corev1.ConditionFalse, true},
			"still runs": {corev1.ConditionUnknown, false},
		} {
			t.Run(name, func(t *testing.T) {
				w := newWorld(clitest.Change(func(change *v1alpha1.ChangeRequest) {
					change.Status.State = v1alpha1.StateImplement
					change.Status.Runs[0].Gate = v1alpha1.ReasonApproved
					change.Status.Implementing = &change.Status.Runs[0].RunRef
				}))
				killed := run.DeepCopy()
				killed.Status.SetCondition(&apis.Condition{Type: apis.ConditionSucceeded, Status: c.ended})
				if err := w.tekton.Tracker().Add(killed); err != nil {
					t.Fatal(err)
				}
				w.expect(t, w.run("describe", id), ExitOK)
				if got := strings.Contains(w.out.String(), "tkn pipeline start cd"); got != c.resume {
					t.Errorf("command to resume: %t, want %t, in\n%s", got, c.resume, &w.out)
				}
			})
		}
	})
	t.Run("also if the run is gone, and another has its name", func(t *testing.T) {
		w := newWorld(stopped)
		impostor := run.DeepCopy()
		impostor.UID = "other"
		if err := w.tekton.Tracker().Add(impostor); err != nil {
			t.Fatal(err)
		}
		w.expect(t, w.run("describe", id), ExitOK)
		if strings.Contains(w.out.String(), "tkn pipeline start") || !strings.Contains(w.out.String(), "which is gone") {
			t.Errorf("want no command, but a note, in\n%s", &w.out)
		}
	})
}

func TestApprove(t *testing.T) {
	w := newWorld(clitest.Change(clitest.Stopped))
	w.interactive, w.answer = true, "y\n"
	w.onSleep = func() { // the controller counts it
		change := clitest.Change(clitest.Stopped)
		change.Status.State = v1alpha1.StateScheduled
		change.Status.Approval.State = v1alpha1.ApprovalApproved
		change.Status.Approval.Decisions = []v1alpha1.DecisionStatus{{Approval: id + "-approve-x1", User: "barbara", Decision: v1alpha1.DecisionApprove}}
		if err := w.changes.Tracker().Update(v1alpha1.SchemeGroupVersion.WithResource("changerequests"), change, "team-a"); err != nil {
			t.Error(err)
		}
	}
	w.expect(t, w.run("approve", id, "-m", " looked at it "), ExitOK)
	clitest.Golden(t, "approve.golden", w.out.Bytes())
	want := []v1alpha1.ChangeApproval{{
		ObjectMeta: metav1.ObjectMeta{GenerateName: id + "-approve-", Name: id + "-approve-x1", Namespace: "team-a"},
		Spec: v1alpha1.ChangeApprovalSpec{
			ChangeRequest: id, ContentHash: clitest.Hash, Decision: v1alpha1.DecisionApprove, Comment: "looked at it",
		},
	}}
	if diff := cmp.Diff(want, w.written(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRejectByAScript(t *testing.T) {
	w := newWorld(clitest.Change())
	w.expect(t, w.run("reject", id, "-m", "not now", "--yes", "--content-hash", clitest.Hash, "--wait", "1s"), ExitOK)
	written := w.written(t)
	if len(written) != 1 || written[0].Spec.Decision != v1alpha1.DecisionReject || written[0].Spec.Comment != "not now" {
		t.Errorf("recorded: %+v", written)
	}
	if w.slept != time.Second {
		t.Errorf("waited %v, want 1s", w.slept)
	}
	if !strings.Contains(w.out.String(), "It was not counted yet: tkn change describe "+id+" -n team-a") {
		t.Errorf("out: %s", &w.out)
	}
}

func TestADecisionThatComesTooLateIsReported(t *testing.T) {
	w := newWorld(clitest.Change())
	w.onSleep = func() {
		change := clitest.Change(func(change *v1alpha1.ChangeRequest) {
			change.Status.History = append(change.Status.History, v1alpha1.HistoryEvent{
				Event: v1alpha1.EventDecisionNotCounted, Subject: id + "-approve-x1", Message: "not counted: enough people have approved already",
			})
		})
		if err := w.changes.Tracker().Update(v1alpha1.SchemeGroupVersion.WithResource("changerequests"), change, "team-a"); err != nil {
			t.Error(err)
		}
	}
	w.expect(t, w.run("approve", id, "--yes"), ExitRefused)
	if !strings.Contains(w.err.String(), "but it was not counted: enough people have approved already") {
		t.Errorf("err: %s", &w.err)
	}
}

func TestNothingIsDecided(t *testing.T) {
	in := func(state v1alpha1.ChangeState) *v1alpha1.ChangeRequest {
		return clitest.Change(func(change *v1alpha1.ChangeRequest) { change.Status.State = state })
	}
	for name, c := range map[string]struct {
		change  *v1alpha1.ChangeRequest
		args    []string
		prepare func(*world)
		code    int
		err     string
	}{
		"by somebody without the verb approve": {
			args: []string{"approve", id, "--yes"}, prepare: func(w *world) { w.denied = []string{"approve"} },
			code: ExitRefused, err: `barbara may not approve change requests in namespace team-a, for want of the verb "approve" on changerequests.countersign.dev: ask who administers the namespace to bind ClusterRole countersign-approver there`,
		},
		"by somebody who may nothing": {
			args: []string{"reject", id, "-m", "x", "--yes"}, prepare: func(w *world) { w.denied = []string{"approve", "create"} },
			code: ExitRefused, err: `the verb "approve" on changerequests.countersign.dev and the verb "create" on changeapprovals.countersign.dev`,
		},
		"by somebody who answers no": {
			args: []string{"approve", id}, prepare: func(w *world) { w.interactive, w.answer = true, "n\n" },
			code: ExitRefused, err: "nothing was decided",
		},
		"by somebody who just presses return": {
			args: []string{"approve", id}, prepare: func(w *world) { w.interactive, w.answer = true, "\n" },
			code: ExitRefused, err: "nothing was decided",
		},
		"by somebody whose terminal goes away": {
			args: []string{"approve", id}, prepare: func(w *world) { w.interactive = true },
			code: ExitRefused, err: "nothing was decided",
		},
		"by a script that does not say --yes": {
			args: []string{"approve", id}, code: ExitUsage, err: "add --yes",
		},
		"on other content than was reviewed": {
			args: []string{"approve", id, "--yes", "--content-hash", "sha256:00"},
			code: ExitRefused, err: "but you reviewed sha256:00",
		},
		"without a reason for a rejection": {
			args: []string{"reject", id, "--yes", "-m", "  "}, code: ExitUsage, err: "say why with -m",
		},
		"with a comment beyond the limit": {
			args: []string{"approve", id, "--yes", "-m", strings.Repeat("ü", 2049)}, code: ExitUsage, err: "at most 4096",
		},
		"on a change that is over": {
			change: in(v1alpha1.StateClosed), args: []string{"approve", id, "--yes"}, code: ExitRefused, err: "nothing left to approve",
		},
		"on a change that was given up": {
			change: in(v1alpha1.StateCanceled), args: []string{"reject", id, "-m", "x", "--yes"}, code: ExitRefused, err: "nothing left to reject",
		},
		"on a change that was deployed": {
			change: clitest.Change(func(change *v1alpha1.ChangeRequest) {
				change.Status.State = v1alpha1.StateReview
				change.Status.Runs[0].Outcome = v1alpha1.OutcomeNotAccepted
			}),
			args: []string{"reject", id, "-m", "x", "--yes"}, code: ExitRefused, err: "it comes too late",
		},
		"on a change that one approved before": {
			change: clitest.Change(func(change *v1alpha1.ChangeRequest) {
				change.Status.Approval.Required = 2
				change.Status.Approval.Decisions = []v1alpha1.DecisionStatus{{Approval: "x", User: "barbara", Decision: v1alpha1.DecisionApprove}}
			}),
			args: []string{"approve", id, "--yes"}, code: ExitRefused, err: "would not count: barbara has approved already",
		},
		"on a change that is approved already": {
			change: clitest.Change(func(change *v1alpha1.ChangeRequest) {
				change.Status.Approval = v1alpha1.ApprovalStatus{State: v1alpha1.ApprovalApproved, Automatic: true}
			}),
			args: []string{"approve", id, "--yes"}, code: ExitRefused, err: "is approved already",
		},
		"by a machine": {
			args: []string{"approve", id, "--yes"}, code: ExitRefused, err: "only people decide",
			prepare: func(w *world) {
				w.kube.PrependReactor("create", "selfsubjectreviews", func(clienttesting.Action) (bool, runtime.Object, error) {
					return true, &authenticationv1.SelfSubjectReview{Status: authenticationv1.SelfSubjectReviewStatus{
						UserInfo: authenticationv1.UserInfo{Username: "system:serviceaccount:team-a:default"},
					}}, nil
				})
			},
		},
		"on a change that was rejected": {
			change: clitest.Change(clitest.Refused, func(change *v1alpha1.ChangeRequest) { change.Status.State = v1alpha1.StateAuthorize }),
			args:   []string{"approve", id, "--yes"}, code: ExitRefused, err: "was rejected",
		},
		"on a change without content hash": {
			change: clitest.Change(func(change *v1alpha1.ChangeRequest) { change.Spec.ContentHash = "" }),
			args:   []string{"approve", id, "--yes"}, code: ExitRefused, err: "no content hash",
		},
		"on a change that does not exist": {
			args: []string{"approve", "chg-nothing", "--yes"}, code: ExitNotFound, err: "chg-nothing",
		},
		"on no change": {
			args: []string{"approve", "--yes"}, code: ExitUsage, err: "wants the id of one change request",
		},
		"where admission refuses": {
			args: []string{"approve", id, "--yes"}, code: ExitRefused, err: "you are the author",
			prepare: func(w *world) {
				w.changes.PrependReactor("create", "changeapprovals", func(clienttesting.Action) (bool, runtime.Object, error) {
					return true, nil, apierrors.NewForbidden(v1alpha1.Resource("changeapprovals"), "", errors.New("you are the author\x1b[2J"))
				})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if c.change == nil {
				c.change = clitest.Change()
			}
			w := newWorld(c.change)
			if c.prepare != nil {
				c.prepare(w)
			}
			w.expect(t, w.run(c.args...), c.code)
			if !strings.Contains(w.err.String(), c.err) {
				t.Errorf("error %q lacks %q", &w.err, c.err)
			}
			if strings.Contains(w.err.String(), "\x1b") {
				t.Errorf("error %q reaches the terminal raw", &w.err)
			}
			if written := w.written(t); len(written) > 0 {
				t.Errorf("recorded: %+v", written)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	for name, c := range map[string]struct {
		mutate func(*v1alpha1.ChangeRequest)
		v      verdict
		want   string
	}{
		"none before an approval":               {func(*v1alpha1.ChangeRequest) {}, approval, ""},
		"none before a rejection of what waits": {func(*v1alpha1.ChangeRequest) {}, rejection, ""},
		"a rejection of what is approved": {func(change *v1alpha1.ChangeRequest) {
			change.Status.Approval.State = v1alpha1.ApprovalApproved
		}, rejection, "your rejection ends that"},
		"a rejection of what is being deployed": {func(change *v1alpha1.ChangeRequest) {
			change.Status.State = v1alpha1.StateImplement
		}, rejection, "put off"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(warnings(clitest.Change(c.mutate), c.v), "\n")
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want it to hold %q", got, c.want)
			}
		})
	}
}

func TestWrongUsage(t *testing.T) {
	for name, args := range map[string][]string{
		"a command that does not exist": {"approv"},
		"a flag that does not exist":    {"list", "--nonsense"},
		"a state that does not exist":   {"list", "--state", "pending"},
		"an output that does not exist": {"list", "-o", "xml"},
		"a table of one change":         {"describe", id, "-o", "table"},
		"no id":                         {"describe"},
		"two ids":                       {"describe", id, id},
		"an id and --last":              {"describe", id, "--last"},
		"an argument for list":          {"list", id},
		"attachments of nothing":        {"attachments"},
		"downloading as JSON":           {"attachments", id, "-o", "json", "--download", "x"},
		"downloading to nowhere":        {"attachments", id, "--download", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(clitest.Change())
			w.expect(t, w.run(args...), ExitUsage)
			if !strings.HasPrefix(w.err.String(), "Error: ") || w.out.Len() > 0 {
				t.Errorf("out: %s\nerr: %s", &w.out, &w.err)
			}
		})
	}
}

func TestServerErrors(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code int
		text string
	}{
		"the change does not exist": {apierrors.NewNotFound(v1alpha1.Resource("changerequests"), id), ExitNotFound, "not found"},
		"the kind does not exist": {
			apierrors.NewGenericServerResponse(404, "get", v1alpha1.Resource("changerequests"), id, "404 page not found", 0, true),
			ExitError, "is Countersign installed on this cluster?",
		},
		"reading is forbidden": {
			apierrors.NewForbidden(v1alpha1.Resource("changerequests"), id, errors.New("no")), ExitRefused, "in namespace team-a",
		},
		"the server is away": {errors.New("connection refused"), ExitError, "connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.changes.PrependReactor("get", "changerequests", func(clienttesting.Action) (bool, runtime.Object, error) {
				return true, nil, c.err
			})
			w.expect(t, w.run("describe", id), c.code)
			if !strings.Contains(w.err.String(), c.text) {
				t.Errorf("error %q lacks %q", &w.err, c.text)
			}
		})
	}
}

func TestAttachments(t *testing.T) {
	for file, args := range map[string][]string{
		"attachments.golden":      {"attachments", id},
		"attachments-one.golden":  {"attachments", id, "merged sbom"},
		"attachments-json.golden": {"attachments", id, "delta-summary.json", "Delta Summary", "-o", "json"},
	} {
		t.Run(file, func(t *testing.T) {
			w := newWorld(clitest.Change(clitest.Closed))
			w.expect(t, w.run(args...), ExitOK)
			clitest.Golden(t, file, w.out.Bytes())
		})
	}
	t.Run("an attachment that does not exist", func(t *testing.T) {
		w := newWorld(clitest.Change())
		w.expect(t, w.run("attachments", id, "Rollback Logs"), ExitNotFound)
		if !strings.Contains(w.err.String(), `it has "Deployment BOM", "Delta Summary"`) {
			t.Errorf("error %q does not say what there is", &w.err)
		}
	})
}

func TestDownloadReportsEveryProblem(t *testing.T) {
	w := newWorld(clitest.Change(func(change *v1alpha1.ChangeRequest) {
		for i := range change.Spec.Attachments {
			change.Spec.Attachments[i].Reference = "registry.example/changes:latest"
		}
	}))
	dir := filepath.Join(t.TempDir(), "new")
	w.expect(t, w.run("attachments", id, "--download", dir), ExitError)
	for _, want := range []string{`"Deployment BOM"`, `"Delta Summary"`} {
		if !strings.Contains(w.err.String(), want) {
			t.Errorf("error %q lacks %s", &w.err, want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("folder holds %v, error %v", entries, err)
	}
}

func TestUnique(t *testing.T) {
	taken := map[string]string{}
	var got []string
	for _, letter := range []string{"a", "b", "a"} {
		got = append(got, unique(taken, v1alpha1.Attachment{FileName: "x/closing-summary.json", Digest: "sha256:" + strings.Repeat(letter, 64)}))
	}
	want := []string{"closing-summary.json", "bbbbbbbbbbbb-closing-summary.json", "closing-summary.json"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestVersionAndHelp(t *testing.T) {
	w := newWorld()
	w.expect(t, w.run("version"), ExitOK)
	w.expect(t, w.run("--version"), ExitOK)
	if diff := cmp.Diff("tkn-change v0.0.0-test\ntkn-change v0.0.0-test\n", w.out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w = newWorld()
	w.expect(t, w.run(), ExitOK)
	if !strings.Contains(w.out.String(), "tkn change [command]") {
		t.Errorf("help does not name the plugin as people call it:\n%s", &w.out)
	}
}

func TestCompletion(t *testing.T) {
	w := newWorld(clitest.Change())
	w.expect(t, w.run("__complete", "describe", ""), ExitOK)
	if !strings.Contains(w.out.String(), id+"\tpromote master to prod: hello 1.4.0") {
		t.Errorf("ids are not completed:\n%s", &w.out)
	}
	w = newWorld()
	w.expect(t, w.run("completion", "bash"), ExitOK)
	if w.out.Len() == 0 {
		t.Error("no completion script")
	}
}
