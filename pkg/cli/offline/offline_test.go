// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package offline

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
	_ "github.com/countersign-dev/countersign/pkg/evidence/drivers"
	"github.com/countersign-dev/countersign/pkg/readiness"
)

var now = time.Date(2026, 8, 3, 10, 0, 0, 0, time.UTC)

// component is an entry of the tests' inventory.
type component struct{ name, digest, commit string }

func (c component) image() string { return "registry.example/" + c.name + ":1@sha256:" + c.digest }

func (c component) entry() string {
	raw, _ := json.Marshal(map[string]string{
		"name": c.name, "type": "image", "artifact": c.image(), "provenance": c.image(), "sha256": "sha256:" + c.digest,
		"version": "1", "repository_url": "https://forge.example/" + c.name, "commit_sha": c.commit, "pipeline_run_id": "run-1",
	})
	return string(raw)
}

var (
	hello = component{"hello", strings.Repeat("a", 64), strings.Repeat("1", 40)}
	shop  = component{"web/shop", strings.Repeat("b", 64), strings.Repeat("2", 40)}
)

// world is an inventory and a locker in folders.
type world struct {
	Question
	dir string
}

func newWorld(t *testing.T, components ...component) *world {
	t.Helper()
	w := &world{dir: t.TempDir()}
	w.Question = Question{
		Inventory: filepath.Join(w.dir, "inventory"), Locker: filepath.Join(w.dir, "locker"),
		Target: v1alpha1.Target{Environment: "prod", Region: "eu-de"}, Source: "stage", Now: now,
	}
	w.write(t, "locker/raw/.keep", "")
	for _, c := range components {
		w.write(t, "inventory/"+c.name, c.entry())
	}
	return w
}

func (w *world) write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// record writes evidence of the built-in required set, all good but what is named.
func (w *world) record(t *testing.T, c component, bad map[string]evidence.Result) {
	t.Helper()
	l, err := evidence.Open(t.Context(), "file://"+w.Locker)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	image, commit := evidence.Asset{URI: evidence.Text(c.image())}, evidence.Asset{URI: evidence.Text("https://forge.example/" + c.name + "#" + c.commit)}
	for _, required := range readiness.BuiltinRequired() {
		for _, typeID := range required.EvidenceTypes {
			check := evidence.Check{TypeID: typeID, TypeVersion: "1", Tool: "scanner", Origin: evidence.Origin{PipelineRunID: "run-1"}}
			check.Assets = []evidence.Asset{commit}
			if required.AssetType == string(evidence.AssetImage) {
				check.Assets, check.Related = []evidence.Asset{image}, []evidence.Asset{commit}
			}
			result := bad[typeID]
			switch result {
			case "none":
				continue
			case "":
				result = evidence.ResultSuccess
			}
			if _, err := l.Conclude(t.Context(), check, evidence.Outcome{Result: result}, now.Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (w *world) judge(t *testing.T) *Answer {
	t.Helper()
	a, err := Judge(context.Background(), w.Question)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// blocking names the checks that block, as entry check result.
func blocking(a *Answer) []string {
	out := []string{}
	for _, c := range a.Verdict.Checks {
		if c.Outcome == readiness.Block {
			out = append(out, strings.TrimSpace(c.Entry+" "+c.Check+" "+c.Result))
		}
	}
	return out
}

func TestAFolderIsJudgedAsARunWould(t *testing.T) {
	w := newWorld(t, hello, shop)
	w.record(t, hello, nil)
	w.record(t, shop, map[string]evidence.Result{evidence.TypeUnitTests: evidence.ResultFailure, evidence.TypeImageSigning: "none"})
	a := w.judge(t)
	want := []string{"web/shop com.ibm.cloud.image_signing missing", "web/shop com.ibm.unit_tests failure"}
	if d := cmp.Diff(want, blocking(a)); d != "" {
		t.Errorf("-want +got: %s", d)
	}
	if a.Verdict.Ready || a.Judged != 2 {
		t.Errorf("ready %t, judged %d", a.Verdict.Ready, a.Judged)
	}
	w.Entries = []string{"hello"}
	if a := w.judge(t); !a.Verdict.Ready || a.Judged != 1 || a.Ignored != 1 {
		t.Errorf("hello alone: %+v", a)
	}
}

func TestWhatIsAnEntry(t *testing.T) {
	w := newWorld(t, hello, shop)
	w.record(t, hello, nil)
	w.record(t, shop, nil)
	for name, content := range map[string]string{
		"inventory/README.md": "# x", "inventory/.git/config": "[core]", "inventory/.hidden": "x", "inventory/web/NOTES.MD": "x",
		"inventory/legacy/old": "not JSON", "inventory/.inventoryignore": "legacy/\n",
	} {
		w.write(t, name, content)
	}
	a := w.judge(t)
	if a.Judged != 2 || a.Ignored != 1 || !a.Verdict.Ready {
		t.Errorf("got %+v", a)
	}
}

func TestChecksFiles(t *testing.T) {
	const lenient = `{"version":"2.0","pre-deployment":[{"evidence_type_id":"com.ibm.unit_tests","rules":[{"asset_type":"commit","recommended":[{"name":"tool","values":["*"]}]}]}],"post-deployment":[{"evidence_type_id":"com.ibm.acceptance_tests","rules":[{"asset_type":"image","required":[{"name":"tool","values":["*"]}]}]}]}`
	w := newWorld(t, hello)
	w.record(t, hello, map[string]evidence.Result{evidence.TypeUnitTests: evidence.ResultFailure})
	if a := w.judge(t); a.Verdict.Ready {
		t.Error("ready without a checks file")
	}
	w.write(t, "config/prod.validation.json", lenient)
	w.write(t, "config/validation.json", "not JSON")
	w.Config = filepath.Join(w.dir, "config")
	if a := w.judge(t); !a.Verdict.Ready {
		t.Errorf("with the target's checks file: %v", blocking(a))
	}
	w.Closing = true
	if d := cmp.Diff([]string{"hello com.ibm.acceptance_tests missing"}, blocking(w.judge(t))); d != "" {
		t.Errorf("at the end of a run: -want +got: %s", d)
	}
	w.Closing, w.Config, w.Checks = false, "", filepath.Join(w.dir, "config", "prod.validation.json")
	if a := w.judge(t); !a.Verdict.Ready {
		t.Errorf("with the file named: %v", blocking(a))
	}
	w.Config, w.Target.Environment, w.Checks = filepath.Join(w.dir, "config"), "stage", ""
	if _, err := Judge(t.Context(), w.Question); err == nil || !strings.Contains(err.Error(), "validation.json") {
		t.Errorf("a checks file that cannot be read: error %v", err)
	}
}

func TestRegoDecides(t *testing.T) {
	w := newWorld(t, hello)
	w.record(t, hello, map[string]evidence.Result{evidence.TypeUnitTests: evidence.ResultFailure})
	w.write(t, "policy/deny.rego", "package one_pipeline.config\n\ndefault allow := false\n\ntable_results := []\n")
	w.Rego = filepath.Join(w.dir, "policy")
	if a := w.judge(t); a.Verdict.Ready {
		t.Error("ready, though the policy does not allow it")
	}
	w.Rego = w.write(t, "allow.rego", "package one_pipeline.config\n\ndefault allow := true\n\ntable_results := []\n")
	if a := w.judge(t); !a.Verdict.Ready {
		t.Errorf("the policy allows it: %v", blocking(a))
	}
}

const policy = `apiVersion: countersign.dev/v1alpha1
kind: ChangePolicy
metadata:
  name: prod
spec:
  namespaceSelector: {}
`

// publicKey makes a key that nobody signs with.
func publicKey(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestWhatAPolicyDemandsAndNobodyVerifiedIsMissing(t *testing.T) {
	key := publicKey(t)
	authorities := "  authorities:\n    - name: ci\n      key:\n        data: |\n          " + strings.ReplaceAll(strings.TrimSpace(key), "\n", "\n          ") + "\n"
	for sentence, tc := range map[string]struct {
		rules  string
		want   []string
		unseen int
	}{
		"nothing": {"", []string{}, 0},
		"signatures": {authorities + "  signatures:\n    - authorities: [ci]\n",
			[]string{"hello com.ibm.cloud.verify_signature missing"}, 0},
		"signatures of others": {authorities + "  signatures:\n    - authorities: [ci]\n      entries: [web/**]\n", []string{}, 0},
		"reviews":              {"  peerReview:\n    approvals: 1\n", []string{"com.ibm.peer_review missing"}, 0},
		"attestations": {authorities + "  attestations:\n    - predicateType: https://slsa.dev/provenance/v1\n      evidenceType: com.ibm.cloud.slsa\n      authorities: [ci]\n      builders: [https://ci.example]\n",
			[]string{}, 1},
		"other checks": {"  requiredChecks:\n    - assetType: image\n      evidenceTypes: [com.example.load_test]\n",
			[]string{"hello com.example.load_test missing"}, 0},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t, hello)
			w.record(t, hello, nil)
			w.Policy = w.write(t, "policy.yaml", policy+tc.rules)
			a := w.judge(t)
			if d := cmp.Diff(tc.want, blocking(a)); d != "" {
				t.Errorf("-want +got: %s", d)
			}
			if a.Verdict.Ready != (len(tc.want) == 0) || len(a.Unseen) != tc.unseen || a.Verdict.Blocked != len(tc.want) {
				t.Errorf("got %+v", a)
			}
			for _, c := range a.Verdict.Checks {
				if c.Outcome == readiness.Block && c.Check != "com.example.load_test" && !strings.Contains(c.Message, "not offline") {
					t.Errorf("%s does not say that nobody looked: %s", c.Check, c.Message)
				}
			}
		})
	}
	t.Run("signed evidence", func(t *testing.T) {
		w := newWorld(t, hello)
		w.record(t, hello, nil)
		w.Policy = w.write(t, "policy.yaml", policy+authorities+"  signedEvidence:\n    authorities: [ci]\n")
		if a := w.judge(t); a.Verdict.Ready || a.Verdict.Blocked < 7 {
			t.Errorf("unsigned evidence counts: %+v", a.Verdict)
		}
	})
}

func TestEveryFaultIsToldAtOnce(t *testing.T) {
	w := newWorld(t, hello)
	w.write(t, "inventory/broken", "not JSON")
	w.write(t, "inventory/two", `{"name": 1, "sha256": "x"}`)
	w.write(t, "inventory/-rf", "{}")
	if err := os.Symlink("/etc/passwd", filepath.Join(w.Inventory, "link")); err != nil {
		t.Fatal(err)
	}
	w.Entries = []string{"**", "[", "nothing/like/it"}
	w.Policy = w.write(t, "policy.yaml", "kind: Pod")
	w.Checks = w.write(t, "checks.json", `{"version": "3"}`)
	w.Rego = w.write(t, "policy.rego", "no Rego at all")
	_, err := Judge(t.Context(), w.Question)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`entry "broken"`, `entry "two"`, "entry -rf", "entry link: it is not a plain file", `pattern "["`,
		"policy.yaml", "checks.json", "policy.rego",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not told: %v", want, err)
		}
	}
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	for sentence, tc := range map[string]struct {
		ask  func(*world)
		want string
	}{
		"no inventory":         {func(w *world) { w.Inventory += "x" }, "reading the inventory"},
		"no locker":            {func(w *world) { w.Locker += "x" }, "opening evidence locker"},
		"no entries":           {func(w *world) { w.Inventory = w.Locker }, "holds no entry"},
		"a pattern of nothing": {func(w *world) { w.Entries = []string{"helo"} }, `"helo" matches no entry`},
		"no configuration":     {func(w *world) { w.Config = "nowhere" }, "reading the configuration nowhere"},
		"no policy":            {func(w *world) { w.Policy = "nowhere" }, "reading policy nowhere"},
		"no Rego":              {func(w *world) { w.Rego = w.Locker }, "no .rego file"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t, hello)
			tc.ask(w)
			if _, err := Judge(t.Context(), w.Question); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestPatterns(t *testing.T) {
	for _, tc := range []struct {
		pattern string
		want    []string
	}{
		{"a", []string{"a"}},
		{"*", []string{"a"}},
		{"**", []string{"a", "x/a", "x/y/a"}},
		{"x/*", []string{"x/a"}},
		{"x/**", []string{"x/a", "x/y/a"}},
		{"**/a", []string{"a", "x/a", "x/y/a"}},
		{"**/y/**", []string{"x/y/a"}},
	} {
		var got []string
		for _, name := range []string{"a", "x/a", "x/y/a"} {
			if chosen([]string{tc.pattern}, make([]bool, 1), name) {
				got = append(got, name)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s matches %v, want %v", tc.pattern, got, tc.want)
		}
	}
}

func TestAnotherLockerIsNoticed(t *testing.T) {
	w := newWorld(t, hello)
	answer, err := Judge(t.Context(), w.Question)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(answer.Notes, func(note string) bool { return strings.Contains(note, "knows none of the 2 assets") }) {
		t.Errorf("notes %q", answer.Notes)
	}
	locker, err := evidence.Open(t.Context(), "file://"+w.Locker)
	if err != nil {
		t.Fatal(err)
	}
	defer locker.Close()
	if _, err := locker.WriteAsset(t.Context(), evidence.Asset{URI: evidence.Text("docker://" + hello.image()), Date: "2026-08-01T00:00:00Z"}); err != nil {
		t.Fatal(err)
	}
	if answer, err = Judge(t.Context(), w.Question); err != nil {
		t.Fatal(err)
	}
	if len(answer.Notes) > 0 {
		t.Errorf("notes %q about the right locker", answer.Notes)
	}
}

func TestTestsOfAPolicyAreNoPartOfIt(t *testing.T) {
	w := newWorld(t, hello)
	w.write(t, "policy/gate.rego", "package one_pipeline.config\n\nallow := true\n")
	w.write(t, "policy/gate_test.rego", "this is not Rego")
	w.Rego = filepath.Join(w.dir, "policy")
	if _, err := Judge(t.Context(), w.Question); err != nil {
		t.Errorf("a folder that a run takes: %v", err)
	}
}
