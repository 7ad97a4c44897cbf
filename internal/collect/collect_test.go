// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/evidence"
	_ "github.com/countersign-dev/countersign/pkg/evidence/drivers"
)

var now = time.Date(2026, 8, 3, 10, 0, 0, 0, time.UTC)

const (
	commit     = "9f1c2d3e4b5a69788796a5b4c3d2e1f00f1e2d3c"
	repository = "https://forge.example/team/hello"
)

var (
	digest = "sha256:" + strings.Repeat("a", 64)
	image  = "registry.example/team/hello:1.4.0@" + digest
)

// world is a folder with files, a locker and what was asked for.
type world struct {
	Params
	files, locker string
	out           bytes.Buffer
}

func newWorld(t *testing.T, files map[string]string) *world {
	t.Helper()
	w := &world{files: t.TempDir(), locker: t.TempDir()}
	for name, content := range files {
		path := filepath.Join(w.files, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.Params = Params{
		LockerURL: "file://" + w.locker, TypeID: "com.ibm.unit_tests", TypeVersion: "1.0.0", Tool: "go-test",
		Status: "success", Asset: repository, CommitSHA: commit, PipelineRunID: "run-1",
		EvaluateFindings: "false", Files: step.Workspace{Path: w.files},
	}
	return w
}

func (w *world) run(at time.Time) (Recorded, error) {
	return Run(context.Background(), &w.Params, Clients{
		Progress: step.NewProgress(&w.out, func() time.Time { return at }), Now: func() time.Time { return at },
	})
}

// record records, and returns the evidence as the locker has it.
func (w *world) record(t *testing.T) (*evidence.Evidence, *evidence.Collection) {
	t.Helper()
	recorded, err := w.run(now)
	if err != nil {
		t.Fatal(err)
	}
	c := w.read(t)
	for _, asset := range c.Assets {
		for _, e := range asset.Evidences {
			if string(e.ID) == recorded.ID {
				return e, c
			}
		}
	}
	t.Fatalf("evidence %s is not about the asset: %+v", recorded.ID, c.Assets)
	return nil, nil
}

// read reads the locker as assess does, for an entry with the image and commit.
func (w *world) read(t *testing.T) *evidence.Collection {
	t.Helper()
	l, err := evidence.Open(t.Context(), w.LockerURL)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := l.Read(t.Context(), []evidence.Component{{Entry: "hello", Type: "image", Provenance: image, RepositoryURL: repository, CommitSHA: commit}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// objects of the locker.
func (w *world) objects(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(w.locker, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found = append(found, strings.TrimPrefix(path, w.locker+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTheRecordSaysAllThatWasAsked(t *testing.T) {
	w := newWorld(t, map[string]string{"out/report.json": "{}", "log.txt": "ok\n", "findings.json": `[{"id":"CVE-1","due_date":"2026-09-01","severity":"high","has_exempt":false,"found_status":"new","first_found":"2026-08-01","url":"https://nvd.example/CVE-1"}]`})
	w.TypeID, w.Tool = "com.ibm.cloud.image_vulnerability_scan", "trivy"
	w.Asset, w.CommitSHA, w.AssetType = image, "", "image"
	w.Related = repository + ".git#" + commit + "\n"
	w.Attachments = "report=out/report.json\n\n log.txt \n"
	w.Findings = "findings.json"
	w.Issues = "https://forge.example/team/hello/issues/1 https://forge.example/team/hello/issues/2"
	w.PipelineRunURL, w.PipelineID, w.ToolchainCRN = "https://ci.example/run-1", "pipe-1", "crn:v1:toolchain"
	w.Environment, w.Region = "prod", "eu-de"
	e, c := w.record(t)
	raw := string(e.Raw)
	e.Raw, e.ID = nil, ""
	want := &evidence.Evidence{
		Version: "2", Date: "2026-08-03T10:00:00Z", TypeID: "com.ibm.cloud.image_vulnerability_scan", TypeVersion: "1.0.0",
		Origin: evidence.Origin{
			Scope: evidence.Text(evidence.ScopeID("run-1")), PipelineRunID: "run-1",
			PipelineRunURL: "https://ci.example/run-1", PipelineID: "pipe-1", ToolchainCRN: "crn:v1:toolchain",
		},
		Details: evidence.Details{Result: "success", Tool: "trivy"},
		Assets:  []evidence.AssetRef{{Hash: evidence.Text(digest[7:]), URI: evidence.Text("docker://" + image)}},
		Attachments: evidence.AttachmentRefs{
			{Hash: evidence.Text(evidence.AttachmentID([]byte("{}"))), Label: "report"},
			{Hash: evidence.Text(evidence.AttachmentID([]byte("ok\n"))), Label: "log.txt"},
		},
		Issues: evidence.Texts{"https://forge.example/team/hello/issues/1", "https://forge.example/team/hello/issues/2"},
		Findings: []evidence.Finding{{
			ID: "CVE-1", URL: "https://nvd.example/CVE-1", DueDate: "2026-09-01", FirstFound: "2026-08-01",
			Severity: "high", HasExempt: "false", FoundStatus: "new",
		}},
	}
	if d := cmp.Diff(want, e); d != "" {
		t.Errorf("-want +got: %s", d)
	}
	for _, field := range []string{`"environment": "prod"`, `"region": "eu-de"`} {
		if !strings.Contains(raw, field) {
			t.Errorf("the record lacks %s: %s", field, raw)
		}
	}
	// The commit is reached from the image alone, and has a record.
	asset := c.Assets[digest[7:]]
	if d := cmp.Diff(evidence.Links{evidence.CommitID(commit)}, asset.Record.Related); d != "" {
		t.Errorf("related -want +got: %s", d)
	}
	for id, asset := range c.Assets {
		if len(asset.Problems) > 0 {
			t.Errorf("asset %s has problems: %+v", id, asset.Problems)
		}
	}
}

func TestTheOutcomeTakesThePlaceOfThePending(t *testing.T) {
	w := newWorld(t, map[string]string{"findings.json": "of the run before, and broken"})
	w.Status = "pending"
	// What the outcome will attach is not there yet, and is not asked for.
	w.Attachments, w.Findings = "report.json", "findings.json"
	if _, err := w.run(now); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(w.out.String(), "blocks deployments") {
		t.Errorf("the log does not warn: %s", &w.out)
	}
	current := func(at time.Time) (string, int) {
		all, problems := evidence.Newest(w.read(t).Assets[evidence.CommitID(commit)].Evidences, at)
		if len(all) != 1 || len(problems) > 0 {
			t.Fatalf("evidence %+v, problems %+v", all, problems)
		}
		return string(all[0].Result()), all[0].Superseded
	}
	if result, _ := current(now); result != "pending" {
		t.Errorf("before the outcome: %s", result)
	}
	w.Status, w.Attachments, w.Findings = "success", "", ""
	if _, err := w.run(now); err != nil { // within the same second
		t.Fatal(err)
	}
	if result, superseded := current(now); result != "success" || superseded != 1 {
		t.Errorf("after the outcome: %s, %d superseded", result, superseded)
	}
}

func TestWhereTheResultComesFrom(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "exitCode")
	if err := os.WriteFile(elsewhere, []byte("2"), 0o644); err != nil {
		t.Fatal(err)
	}
	for sentence, tc := range map[string]struct {
		status, code, path string
		want               string
	}{
		"a word":                         {status: "failure", want: "failure"},
		"an exit code of 0":              {code: "0", want: "success"},
		"another exit code":              {code: "137", want: "failure"},
		"a file with a word":             {path: "status", want: "success"},
		"a file with an exit code":       {path: "code", want: "failure"},
		"a file elsewhere, as Tekton's":  {path: elsewhere, want: "failure"},
		"a link inside of the workspace": {path: "link", want: "success"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t, map[string]string{"status": "success\n", "code": "1\n"})
			if err := os.Symlink("status", filepath.Join(w.files, "link")); err != nil {
				t.Fatal(err)
			}
			w.Status, w.ExitCode, w.StatusPath = tc.status, tc.code, tc.path
			recorded, err := w.run(now)
			if err != nil || string(recorded.Result) != tc.want {
				t.Errorf("got %s, %v, want %s", recorded.Result, err, tc.want)
			}
		})
	}
}

func TestWhatFindingsMakeOfAResult(t *testing.T) {
	const (
		exempt  = `{"id":"a","has_exempt":true}`
		inTime  = `{"id":"b","due_date":"2026-09-01"}`
		overdue = `{"id":"c","due_date":"2026-08-01"}`
		noDate  = `{"id":"d","due_date":"n/a"}`
	)
	for sentence, tc := range map[string]struct {
		reported, findings, evaluate, want string
	}{
		"a failure whose findings are exempt or have time is a success": {"failure", "[" + exempt + "," + inTime + "]", "true", "success"},
		"a failure with one that is overdue stays one":                  {"failure", "[" + exempt + "," + overdue + "]", "true", "failure"},
		"a success with one without a date is a failure":                {"success", "[" + noDate + "]", "true", "failure"},
		"a failure without findings stays one: it may be a crash":       {"failure", "[]", "true", "failure"},
		"a success without findings stays one":                          {"success", "[]", "true", "success"},
		"unasked, findings decide nothing":                              {"failure", "[" + exempt + "]", "false", "failure"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t, map[string]string{"findings.json": tc.findings})
			w.Status, w.Findings, w.EvaluateFindings = tc.reported, "findings.json", tc.evaluate
			e, _ := w.record(t)
			if string(e.Result()) != tc.want {
				t.Errorf("got %s, want %s", e.Result(), tc.want)
			}
			if told := strings.Contains(string(e.Raw), `"reported_result": "`+tc.reported+`"`); told != (tc.evaluate == "true") {
				t.Errorf("the record tells what was reported: %v", told)
			}
		})
	}
}

func TestFilesThatAreMissing(t *testing.T) {
	for result, recorded := range map[string]bool{"failure": true, "success": false} {
		t.Run(result, func(t *testing.T) {
			w := newWorld(t, nil)
			w.Status, w.Attachments, w.Findings = result, "report.json", "findings.json"
			_, err := w.run(now)
			if recorded != (err == nil) {
				t.Fatalf("error %v", err)
			}
			told := w.out.String()
			if err != nil {
				told = err.Error()
			}
			for _, name := range []string{`attachment "report.json"`, `findings file "findings.json"`} {
				if !strings.Contains(told, name) {
					t.Errorf("%s is not told: %s", name, told)
				}
			}
		})
	}
}

func TestEveryFaultIsToldAtOnceAndNothingIsWritten(t *testing.T) {
	w := newWorld(t, map[string]string{"findings.json": `[{"id":"a","id":"b"}, {"url":"x"}, 7]`, "status": "secret text"})
	w.TypeID, w.Tool, w.PipelineRunID = "unit tests", "", " "
	w.Status, w.StatusPath = "", "status"
	w.EvaluateFindings = "perhaps"
	w.Asset, w.CommitSHA, w.AssetType = "registry.example/team/hello:1.4.0", "", "picture"
	w.Related, w.Parents = "https://forge.example/team/hello.git", "nonsense"
	w.Attachments = "=x\n../outside\n/etc/passwd"
	w.Findings = "findings.json"
	w.Issues = "javascript:alert(1)"
	w.PipelineRunURL = "ftp://x"
	w.Region = "eu-de"
	_, err := w.run(now)
	var invalid *step.InvalidError
	if !errors.As(err, &invalid) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{
		`parameter tool: is empty`, `parameter pipeline-run-id: is empty`,
		`evidence-type-id: "unit tests" is not an id`, `status file "status": it holds neither`,
		`evaluate-findings is "perhaps"`, `an image needs its digest`, `asset-type: "picture" is none of`,
		`related-assets: "https://forge.example/team/hello.git" is a repository`, `parent-assets: "nonsense"`,
		`attachments: "=x" is neither`, `attachment "../outside"`, `attachment "/etc/passwd"`,
		`finding 1: duplicate field "id"`, `finding 2: has no id`, `finding 3: is not an object`,
		`issues: "javascript:alert(1)" is not a URL`, `pipeline-run-url: "ftp://x"`, `region: "eu-de" is given without`,
	} {
		if !slices.ContainsFunc(invalid.Problems, func(p string) bool { return strings.Contains(p, want) }) {
			t.Errorf("%s is not among %q", want, invalid.Problems)
		}
	}
	if strings.Contains(err.Error(), "secret text") {
		t.Error("the status file's content is repeated")
	}
	if found := w.objects(t); len(found) > 0 {
		t.Errorf("written: %v", found)
	}
}

func TestRefusals(t *testing.T) {
	for sentence, tc := range map[string]struct {
		ask  func(*world)
		want string
	}{
		"two ways to tell the result":   {func(w *world) { w.ExitCode = "0" }, "exactly one of status, exit-code and status-path; 2 are given"},
		"none":                          {func(w *world) { w.Status = "" }, "0 are given"},
		"another word":                  {func(w *world) { w.Status = "passed" }, `"passed" is none of success, failure and pending`},
		"an exit code that is none":     {func(w *world) { w.Status, w.ExitCode = "", "-1" }, `"-1" is not a number from 0 to 255`},
		"a status file that is missing": {func(w *world) { w.Status, w.StatusPath = "", "none" }, `status file "none"`},
		"a repository without a commit": {func(w *world) { w.Asset, w.CommitSHA = repository+".git", "" }, "give commit-sha"},
		"a short commit":                {func(w *world) { w.CommitSHA = commit[:7] }, "not a full commit id"},
		"another type of asset":         {func(w *world) { w.AssetType = "image" }, "is of type commit"},
		"the asset as its own parent":   {func(w *world) { w.Parents = repository + "#" + commit }, "is the asset itself"},
		"files without a workspace":     {func(w *world) { w.Attachments, w.Files = "x", step.Workspace{Bound: "false"} }, "workspace source is not bound"},
		"findings that are not named":   {func(w *world) { w.EvaluateFindings = "true" }, "name their file in findings"},
		"findings that are an object":   {func(w *world) { w.Findings = "object.json" }, "it is not a JSON array"},
		"a folder to attach":            {func(w *world) { w.Attachments = "folder" }, "it is a folder"},
		"a pipe to attach":              {func(w *world) { w.Attachments = "pipe" }, "it is not a plain file"},
		"a link out of the workspace":   {func(w *world) { w.Attachments = "out" }, `attachment "out"`},
		"a large file":                  {func(w *world) { w.Attachments = "large" }, "there is room for"},
		"an environment with a region":  {func(w *world) { w.Environment = "prod:eu-de" }, `"prod:eu-de" is not a name`},
		"a tool with a line break":      {func(w *world) { w.Tool = "a\nb" }, "control characters"},
		"a locker that has no scheme":   {func(w *world) { w.LockerURL = "bucket" }, "has no scheme"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t, map[string]string{"object.json": `{}`, "folder/x": "", "large": ""})
			if err := errors.Join(
				syscall.Mkfifo(filepath.Join(w.files, "pipe"), 0o644),
				os.Symlink("/etc/passwd", filepath.Join(w.files, "out")),
				os.Truncate(filepath.Join(w.files, "large"), maxAttached+1),
			); err != nil {
				t.Fatal(err)
			}
			tc.ask(w)
			_, err := w.run(now)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if found := w.objects(t); len(found) > 0 {
				t.Errorf("written: %v", found)
			}
		})
	}
}

func TestResultsAreThoseOfTheTask(t *testing.T) {
	got := slices.Sorted(maps.Keys(Recorded{}.Results()))
	if d := cmp.Diff([]string{"evidence-id", "result"}, got); d != "" {
		t.Errorf("-want +got: %s", d)
	}
}
