// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"knative.dev/pkg/apis"
	"sigs.k8s.io/yaml"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/cli/command"
	"github.com/countersign-dev/countersign/pkg/promotion"
	"github.com/countersign-dev/countersign/pkg/readiness"
	"github.com/countersign-dev/countersign/pkg/stage"
)

// repository is the checkout; paths in it are relative to its root.
var repository = os.DirFS("../..")

func read(t *testing.T, elements ...string) string {
	t.Helper()
	data, err := fs.ReadFile(repository, path.Join(elements...))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// pages are all documents that a reader of the repository comes across.
func pages(t *testing.T) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(repository, ".", func(at string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && (name == "testdata" || name == "bin" || strings.HasPrefix(name, ".") && at != ".") {
			return fs.SkipDir
		}
		if strings.HasSuffix(name, ".md") && !strings.HasPrefix(at, "templates/") {
			found = append(found, at)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var (
	fence   = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```$")
	inlined = regexp.MustCompile("`[^`\n]*`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the fragments that a forge makes of a page's headings.
func anchors(text string) map[string]bool {
	found := map[string]bool{}
	for _, match := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		slug := notSlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(match[1])), "")
		found[strings.ReplaceAll(slug, " ", "-")] = true
	}
	return found
}

func TestLinksLeadSomewhere(t *testing.T) {
	for _, page := range pages(t) {
		text := inlined.ReplaceAllString(fence.ReplaceAllString(read(t, page), ""), "`code`")
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			target, fragment, _ := strings.Cut(match[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			at := page
			if target != "" {
				at = path.Join(path.Dir(page), target)
			}
			info, err := fs.Stat(repository, at)
			if err != nil {
				t.Errorf("%s links to %s, which does not exist", page, match[1])
				continue
			}
			if info.IsDir() {
				continue
			}
			linked := read(t, at)
			if fragment != "" && !anchors(linked)[fragment] {
				t.Errorf("%s links to %s, which has no such heading", page, match[1])
			}
		}
	}
}

// kind is one kind of the API with its page.
type kind struct {
	object any
	page   string
}

var kinds = map[string]func() kind{
	"ChangeRequest":    func() kind { return kind{&v1alpha1.ChangeRequest{}, "changerequest.md"} },
	"ChangeApproval":   func() kind { return kind{&v1alpha1.ChangeApproval{}, "changeapproval.md"} },
	"ChangeConclusion": func() kind { return kind{&v1alpha1.ChangeConclusion{}, "changeconclusion.md"} },
	"ChangePolicy":     func() kind { return kind{&v1alpha1.ChangePolicy{}, "changepolicy.md"} },
}

// fields are the JSON names of a type and of all that it holds.
func fields(of reflect.Type, found map[string]bool) {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice:
		fields(of.Elem(), found)
	case reflect.Struct:
		if of.PkgPath() != reflect.TypeFor[v1alpha1.ChangeRequest]().PkgPath() {
			return
		}
		for i := range of.NumField() {
			field := of.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name != "" {
				found[name] = true
			}
			fields(field.Type, found)
		}
	}
}

func TestPagesNameEveryField(t *testing.T) {
	for name, make := range kinds {
		k := make()
		found := map[string]bool{}
		fields(reflect.TypeOf(k.object).Elem(), found)
		text := read(t, "docs/reference", k.page)
		for field := range found {
			if field == "metadata" || field == "spec" || field == "status" {
				continue
			}
			if !strings.Contains(text, "`"+field+"`") && !strings.Contains(text, "."+field+"`") && !strings.Contains(text, "`"+field+".") {
				t.Errorf("docs/reference/%s does not name field %s of %s", k.page, field, name)
			}
		}
	}
}

// TestExamplesAreAccepted puts every object of our API in a document through
// what the webhook does.
func TestExamplesAreAccepted(t *testing.T) {
	examples := map[string]int{}
	for _, page := range pages(t) {
		for _, block := range fence.FindAllStringSubmatch(read(t, page), -1) {
			if block[1] != "yaml" {
				continue
			}
			for _, document := range strings.Split(block[2], "\n---\n") {
				var meta metav1.TypeMeta
				var whole any
				if err := yaml.Unmarshal([]byte(document), &whole); err != nil {
					t.Errorf("%s: a YAML block cannot be read: %v", page, err)
				}
				if _, object := whole.(map[string]any); !object {
					continue
				}
				if err := yaml.Unmarshal([]byte(document), &meta); err != nil {
					t.Errorf("%s: a YAML block cannot be read: %v", page, err)
				}
				make, ours := kinds[meta.Kind]
				if !ours {
					continue
				}
				examples[meta.Kind]++
				object := make().object
				if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
					t.Errorf("%s: example of %s: %v", page, meta.Kind, err)
					continue
				}
				ctx := apis.WithUserInfo(apis.WithinCreate(context.Background()), &authenticationv1.UserInfo{Username: "ada"})
				object.(apis.Defaultable).SetDefaults(ctx)
				if err := object.(apis.Validatable).Validate(ctx); err != nil {
					t.Errorf("%s: example of %s would be refused: %v", page, meta.Kind, err)
				}
			}
		}
	}
	for name := range kinds {
		if examples[name] == 0 {
			t.Errorf("no document has an example of %s", name)
		}
	}
}

// constants returns the values of a file's string constants whose names begin
// with a prefix.
func constants(t *testing.T, prefix string, files ...string) []string {
	t.Helper()
	var found []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, read(t, file), 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(spec.Names[0].Name, prefix) || len(spec.Values) != 1 {
				return true
			}
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				value, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, value)
			}
			return true
		})
	}
	if len(found) == 0 {
		t.Fatalf("no constant %s… in %v", prefix, files)
	}
	return found
}

func TestReasonsAreListed(t *testing.T) {
	const api = "pkg/apis/countersign/v1alpha1/"
	text := read(t, "docs/reference/reasons.md")
	for _, prefix := range []string{"Reason", "SubmittedReason", "Event"} {
		for _, reason := range constants(t, prefix, api+"changerequest_types.go", api+"customtask_types.go") {
			if !strings.Contains(text, "| `"+reason+"` |") {
				t.Errorf("docs/reference/reasons.md does not list %s", reason)
			}
		}
	}
	states := read(t, "docs/reference/changerequest.md")
	for _, state := range constants(t, "State", api+"changerequest_types.go") {
		if !strings.Contains(states, "| "+state+" |") {
			t.Errorf("docs/reference/changerequest.md does not list state %s", state)
		}
	}
	for _, page := range []string{"openchange.md", "approvechange.md"} {
		text := read(t, "docs/reference", page)
		for _, param := range []string{v1alpha1.ParamChangeRequestID, v1alpha1.ParamGate, v1alpha1.ParamApprovalTimeout} {
			if !strings.Contains(text, "| `"+param+"` |") {
				t.Errorf("docs/reference/%s does not list parameter %s", page, param)
			}
		}
	}
}

func TestPluginPageNamesEveryCommandAndFlag(t *testing.T) {
	text := read(t, "docs/reference/tkn-change.md")
	rootCommand := command.New(command.Env{Out: io.Discard, Err: io.Discard})
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		if !strings.Contains(text, cmd.Name()) {
			t.Errorf("docs/reference/tkn-change.md does not name command %s", cmd.Name())
		}
		for _, alias := range cmd.Aliases {
			if !strings.Contains(text, "("+alias+")") {
				t.Errorf("docs/reference/tkn-change.md does not name alias %s", alias)
			}
		}
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			if flag.Name != "help" && !strings.Contains(text, "`--"+flag.Name+"`") {
				t.Errorf("docs/reference/tkn-change.md does not name flag --%s of %s", flag.Name, cmd.Name())
			}
		})
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(rootCommand)
}

func TestRiskTableIsTheProgram(t *testing.T) {
	text := read(t, "docs/reference/promotion-pr.md")
	for _, row := range strings.Split(strings.TrimSpace(promotion.RiskTable()), "\n")[2:] {
		if !strings.Contains(text, row) {
			t.Errorf("docs/reference/promotion-pr.md lacks the row %s", row)
		}
	}
}

func TestRequiredChecksAreListed(t *testing.T) {
	text := read(t, "docs/reference/evidence-locker.md")
	for _, required := range readiness.BuiltinRequired() {
		row := "| " + required.AssetType + " | `" + strings.Join(required.EvidenceTypes, "`, `") + "` |"
		if !strings.Contains(text, row) {
			t.Errorf("docs/reference/evidence-locker.md lacks the row %s", row)
		}
	}
}

func TestStageFileExampleIsRead(t *testing.T) {
	for _, block := range fence.FindAllStringSubmatch(read(t, "docs/reference/stage-file.md"), -1) {
		if block[1] == "yaml" {
			if _, err := stage.Parse("docs/reference/stage-file.md", []byte(block[2])); err != nil {
				t.Error(err)
			}
			return
		}
	}
	t.Error("docs/reference/stage-file.md has no example")
}

// TestPipelinePagesNameEveryParameter compares the pages of Tasks and Pipelines
// with what is installed.
func TestPipelinePagesNameEveryParameter(t *testing.T) {
	for page, file := range map[string]string{
		"task-assess.md":       "tasks/assess/0.1/assess.yaml",
		"task-run-stage.md":    "tasks/run-stage/0.1/run-stage.yaml",
		"task-close-change.md": "tasks/close-change/0.1/close-change.yaml",
		"pipeline-cd.md":       "pipelines/cd/0.1/cd.yaml",
	} {
		var object struct {
			Spec struct {
				Params []struct {
					Name    string
					Default *string
				}
				Results, Workspaces, Tasks, Finally []struct{ Name string }
			}
		}
		if err := yaml.Unmarshal([]byte(read(t, file)), &object); err != nil {
			t.Fatal(err)
		}
		text := read(t, "docs/reference", page)
		for _, named := range slices.Concat(object.Spec.Results, object.Spec.Workspaces, object.Spec.Tasks, object.Spec.Finally) {
			if !strings.Contains(text, "`"+named.Name+"`") {
				t.Errorf("docs/reference/%s does not name %s of %s", page, named.Name, file)
			}
		}
		for _, param := range object.Spec.Params {
			if !strings.Contains(text, "`"+param.Name+"`") {
				t.Errorf("docs/reference/%s does not name parameter %s of %s", page, param.Name, file)
			}
			row := "| `" + param.Name + "` | `"
			if param.Default != nil && *param.Default != "" && strings.Contains(text, row) && !strings.Contains(text, row+*param.Default+"`") {
				t.Errorf("docs/reference/%s says another default of %s than %s: %q", page, param.Name, file, *param.Default)
			}
		}
	}
}

// TestThreatModelNamesRealTests looks for every test, and for the tests of every
// package, that the threat model names.
func TestThreatModelNamesRealTests(t *testing.T) {
	_, text, found := strings.Cut(read(t, "docs/threat-model.md"), "## Defended")
	text, _, stop := strings.Cut(text, "## Not defended yet")
	if !found || !stop {
		t.Fatal("docs/threat-model.md lacks the parts Defended and Not defended yet")
	}
	for _, row := range strings.Split(text, "\n") {
		cells := strings.Split(row, "|")
		if len(cells) != 5 || strings.HasPrefix(row, "| ---") || strings.HasPrefix(row, "| attacker,") {
			continue
		}
		named := inlined.FindAllString(cells[3], -1)
		if len(named) == 0 {
			t.Errorf("docs/threat-model.md names no test for %q", strings.TrimSpace(cells[1]))
		}
		folder := ""
		for _, name := range named {
			name = strings.Trim(name, "`")
			if strings.Contains(name, "/") {
				folder = name
				if len(testFiles(t, folder)) == 0 {
					t.Errorf("docs/threat-model.md names the tests of %s, which has none", folder)
				}
				continue
			}
			if !slices.ContainsFunc(testFiles(t, folder), func(content string) bool { return strings.Contains(content, "func "+name+"(") }) {
				t.Errorf("docs/threat-model.md names %s of %s, which does not exist", name, folder)
			}
		}
	}
}

// testFiles are the contents of a folder's tests, without those of folders in it.
func testFiles(t *testing.T, folder string) []string {
	t.Helper()
	paths, err := fs.Glob(repository, path.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var contents []string
	for _, at := range paths {
		contents = append(contents, read(t, at))
	}
	return contents
}

// features are the ids that the feature table of the README must have.
var features = strings.Fields(`A1 A2 A3 A4 A5 A6 B1 B2 B3 B4 B5 B6 B8 C1 C2 C3 C4 D1 D2 D3 D4 E1 F1 F2 F3
	G1 H1 H2 I1 I2 I3 J1 J3 J4 J5 K1 L1 L2`)

func TestFeatureTableIsComplete(t *testing.T) {
	text := read(t, "README.md")
	for _, feature := range features {
		if !strings.Contains(text, "| "+feature+" |") {
			t.Errorf("README.md does not say what works of feature %s", feature)
		}
	}
}
