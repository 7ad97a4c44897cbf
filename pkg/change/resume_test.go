// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package change

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tektonv1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func pipelineRun(edit func(*tektonv1.PipelineRun)) *tektonv1.PipelineRun {
	run := &tektonv1.PipelineRun{
		ObjectMeta: metav1.ObjectMeta{Name: "cd-1", Namespace: "shop"},
		Spec: tektonv1.PipelineRunSpec{
			PipelineRef: &tektonv1.PipelineRef{Name: "cd"},
			Timeouts: &tektonv1.TimeoutFields{
				Pipeline: &metav1.Duration{Duration: 3 * time.Hour},
				Tasks:    &metav1.Duration{Duration: 150 * time.Minute},
				Finally:  &metav1.Duration{Duration: 30 * time.Minute},
			},
		},
	}
	if edit != nil {
		edit(run)
	}
	return run
}

func stringParam(name, value string) tektonv1.Param {
	return tektonv1.Param{Name: name, Value: *tektonv1.NewStructuredValues(value)}
}

const resumeTail = " --pipeline-timeout 3h0m0s --tasks-timeout 2h30m0s --finally-timeout 30m0s --use-param-defaults"

func TestResumeCommand(t *testing.T) {
	for name, tc := range map[string]struct {
		run  func(*tektonv1.PipelineRun)
		want string
	}{
		"a run with nothing of its own": {
			want: "tkn pipeline start cd -n shop -p change-request-id=chg-a" + resumeTail + " --skip-optional-workspace --showlog",
		},
		"parameters, workspaces and accounts": {
			run: func(run *tektonv1.PipelineRun) {
				run.Spec.Params = tektonv1.Params{
					stringParam("change-request-id", "notAvailable"),
					stringParam("target-environment-detail", "it's \"prod\" $(id) `id`"),
					stringParam("region", ""),
					{Name: "regions", Value: tektonv1.ParamValue{Type: tektonv1.ParamTypeArray, ArrayVal: []string{"eu", "us"}}},
					{Name: "object", Value: tektonv1.ParamValue{Type: tektonv1.ParamTypeObject, ObjectVal: map[string]string{"b": "2", "a": "1"}}},
				}
				run.Spec.Workspaces = []tektonv1.WorkspaceBinding{
					{Name: "forge-read", Secret: &corev1.SecretVolumeSource{SecretName: "forge"}},
					{Name: "locker", ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "locker"}, Items: []corev1.KeyToPath{{Key: "a", Path: "b"}}}},
					{Name: "tmp", EmptyDir: &corev1.EmptyDirVolumeSource{}, SubPath: "x"},
					{Name: "data", PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "claim"}},
				}
				run.Spec.TaskRunTemplate.ServiceAccountName = "runner"
				run.Spec.TaskRunSpecs = []tektonv1.PipelineTaskRunSpec{{PipelineTaskName: "close-change", ServiceAccountName: "closer"}}
			},
			want: "tkn pipeline start cd -n shop -p change-request-id=chg-a" +
				` -p 'target-environment-detail=it'\''s "prod" $(id) ` + "`id`" + `' -p region= -p regions=eu,us -p object=a:1,b:2` +
				" -w name=forge-read,secret=forge -w name=locker,config=locker,item=a=b -w name=tmp,emptyDir=,subPath=x -w name=data,claimName=claim" +
				" --serviceaccount runner --task-serviceaccount close-change=closer" + resumeTail + " --showlog",
		},
		"parameters that the Pipeline does not declare, which tkn refuses": {
			run: func(run *tektonv1.PipelineRun) {
				run.Spec.Params = tektonv1.Params{stringParam("known", "1"), stringParam("unknown", "2")}
				run.Status.PipelineSpec = &tektonv1.PipelineSpec{Params: tektonv1.ParamSpecs{{Name: "known"}}}
			},
			want: "tkn pipeline start cd -n shop -p change-request-id=chg-a -p known=1" + resumeTail + " --skip-optional-workspace --showlog",
		},
		"a run without timeouts": {
			run:  func(run *tektonv1.PipelineRun) { run.Spec.Timeouts = nil },
			want: "tkn pipeline start cd -n shop -p change-request-id=chg-a --use-param-defaults --skip-optional-workspace --showlog",
		},
		"an array element with a comma refers to the run": {
			run: func(run *tektonv1.PipelineRun) {
				run.Spec.Params = tektonv1.Params{{Name: "regions", Value: tektonv1.ParamValue{Type: tektonv1.ParamTypeArray, ArrayVal: []string{"eu,us"}}}}
			},
			want: "tkn pipeline start cd -n shop --use-pipelinerun cd-1 -p change-request-id=chg-a --showlog",
		},
		"a volume claim template refers to the run": {
			run: func(run *tektonv1.PipelineRun) {
				run.Spec.Workspaces = []tektonv1.WorkspaceBinding{{Name: "data", VolumeClaimTemplate: &corev1.PersistentVolumeClaim{}}}
			},
			want: "tkn pipeline start cd -n shop --use-pipelinerun cd-1 -p change-request-id=chg-a --showlog",
		},
		"a value too long to print refers to the run": {
			run: func(run *tektonv1.PipelineRun) {
				run.Spec.Params = tektonv1.Params{stringParam("text", strings.Repeat("x", 1<<20))}
			},
			want: "tkn pipeline start cd -n shop --use-pipelinerun cd-1 -p change-request-id=chg-a --showlog",
		},
		"a run that names no Pipeline": {
			run: func(run *tektonv1.PipelineRun) {
				run.Spec.PipelineRef = &tektonv1.PipelineRef{ResolverRef: tektonv1.ResolverRef{Resolver: "git"}}
			},
			want: "# PipelineRun cd-1 names no Pipeline: start it again as it was, with parameter change-request-id set to chg-a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, ResumeCommand(pipelineRun(tc.run), "chg-a")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What a person pastes must reach tkn as it was, whatever is in it. A real shell is
// asked.
func TestQuoteSurvivesAShell(t *testing.T) {
	for _, word := range []string{
		"plain", "", "two words", `it's`, `"quoted"`, "$HOME", "`id`", "$(id)", `back\slash`, "*?[a]", "a;b&c|d>e<f", "#no comment",
		"line\nbreak", "\nboth ends\n", "tab\there", "bell\a", "escape\x1b[31m", "return\rhere", "bidi\u202eevil\u2066", "zero\u200bwidth",
		"del\x7f", "line\u2028separator", "filler\u3164", "no-break\u00a0space", "latin\u0085next", "not utf-8: \xff\xfe", "ünïcödé 漢字 🙂", "%s%d%n", "-n", "~root", "!history", "\\033",
	} {
		quoted := quote(word)
		out, err := exec.Command("/bin/sh", "-c", "printf '%s.' "+quoted).Output()
		if err != nil {
			t.Errorf("shell on %s: %v", quoted, err)
		}
		if diff := cmp.Diff(word+".", string(out)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", quoted, diff)
		}
		for _, r := range quoted {
			if r != '\n' && (r < ' ' || (r >= 0x7f && r < 0xa0) || r == '\u202e' || r == '\u2066' || r == '\u200b' || r == '\ufffd') {
				t.Errorf("%q shows the character %U", quoted, r)
			}
		}
	}
}
