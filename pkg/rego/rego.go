// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package rego decides on a deployment with policies in Rego, the language of
// the Open Policy Agent.
//
// A policy is one or more modules, of which at least one is of package
// one_pipeline.config and has a rule allow. Rego's version 1 is tried first,
// then version 0. From the documented contract:
//
//   - allow is true or false, and decides;
//   - table_results is a set or list of objects, the checks that people see.
//
// [Load] reads a policy, [Evaluate] reaches a verdict with it, [Translate] makes
// one of a checks file. What a policy gets as input is readiness.Document; the
// checks file, if there is one, is data.checks.
//
// A policy is a stranger's program, so it runs with what it needs to decide and
// no more: no network, no environment, no clock but the verdict's time, a bound
// on its size, its time, its memory and its answer. Whatever goes wrong, the deployment is
// not ready: an undefined allow, one that is no boolean, an error, a time-out.
// And a policy replaces the checks file's rules only: that entries say what they
// are, that the locker is whole, and what the ChangePolicy requires is judged by
// package readiness as ever.
package rego

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime/metrics"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/readiness"
)

// Package is the package that a policy's rules are in.
const Package = "one_pipeline.config"

// Bounds of a policy.
const (
	// MaxModules is how many modules a policy has at most.
	MaxModules = 100
	// MaxBytes is how large its modules are together.
	MaxBytes = 1 << 20
	// MaxRows is how many objects table_results may have.
	MaxRows = 100_000
	// MaxTime is how long a decision may take.
	MaxTime = 10 * time.Second
	// MaxMemory is how much the program may grow by meanwhile, in bytes. It is
	// looked at between steps of the policy: a single call can take more, which
	// only a limit of the pod bounds.
	MaxMemory = 1 << 30
)

// watchEvery is how often the memory is looked at.
const watchEvery = 20 * time.Millisecond

// errMemory is why a policy is stopped that grows without end.
var errMemory = errors.New("out of memory")

// maxText bounds each text of a row.
const maxText = 4096

// Policy is a policy that can be evaluated. It is safe for concurrent use.
type Policy struct {
	compiler *ast.Compiler
	files    []readiness.BasisFile
	limit    time.Duration
	memory   uint64
}

// Load reads a policy from its modules, by file name. The error has every
// problem, one a line, with file and line; of a module that is Rego of neither
// version, what is wrong with it as either.
func Load(modules map[string][]byte) (*Policy, error) {
	total := 0
	for _, source := range modules {
		total += len(source)
	}
	switch {
	case len(modules) == 0:
		return nil, errors.New("policy in Rego: no module is given")
	case len(modules) > MaxModules:
		return nil, fmt.Errorf("policy in Rego: %d modules; at most %d are read", len(modules), MaxModules)
	case total > MaxBytes:
		return nil, fmt.Errorf("policy in Rego: %d bytes; at most %d are read", total, MaxBytes)
	}
	p := &Policy{limit: MaxTime, memory: MaxMemory}
	parsed := map[string]*ast.Module{}
	var problems []error
	capabilities := safe()
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		shown := plaintext.Clip(name, 500)
		module, err := parse(shown, string(modules[name]), capabilities)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		parsed[name] = module
		p.files = append(p.files, readiness.NewBasisFile(shown, modules[name]))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	p.compiler = ast.NewCompiler().WithCapabilities(capabilities).SetErrorLimit(20)
	if p.compiler.Compile(parsed); p.compiler.Failed() {
		for _, err := range p.compiler.Errors {
			problems = append(problems, fmt.Errorf("policy in Rego: %s", plaintext.Clip(err.Error(), 2000)))
		}
		return nil, errors.Join(problems...)
	}
	if len(p.compiler.GetRulesExact(ast.MustParseRef("data."+Package+".allow"))) == 0 {
		return nil, fmt.Errorf("policy in Rego: none of %s has package %s with a rule allow, so nothing would ever be allowed: add it", shownNames(modules), Package)
	}
	return p, nil
}

func shownNames(modules map[string][]byte) string {
	return plaintext.Clip(strings.Join(slices.Sorted(maps.Keys(modules)), ", "), 500)
}

// parse reads a module as Rego version 1, then as version 0 with the keywords
// that became part of version 1: documented examples of one policy mix both.
func parse(name, source string, capabilities *ast.Capabilities) (*ast.Module, error) {
	if strings.TrimSpace(source) == "" {
		return nil, fmt.Errorf("policy in Rego: module %s is empty", name)
	}
	module, first := ast.ParseModuleWithOpts(name, source, ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities})
	if first == nil && module != nil {
		return module, nil
	}
	module, second := ast.ParseModuleWithOpts(name, source, ast.ParserOptions{RegoVersion: ast.RegoV0, AllFutureKeywords: true, Capabilities: capabilities})
	if second == nil && module != nil {
		return module, nil
	}
	if first == nil || second == nil {
		return nil, fmt.Errorf("policy in Rego: module %s has no rules", name)
	}
	return nil, fmt.Errorf("policy in Rego: module %s is Rego of no version; as version 1: %s; as version 0: %s",
		name, plaintext.Clip(first.Error(), 2000), plaintext.Clip(second.Error(), 2000))
}

// safe are the capabilities of a policy: everything of the language, and the
// built-in functions that depend on nothing but their arguments.
func safe() *ast.Capabilities {
	c := *ast.CapabilitiesForThisVersion(ast.CapabilitiesRegoVersion(ast.RegoV1))
	c.Builtins = slices.DeleteFunc(slices.Clone(c.Builtins), func(b *ast.Builtin) bool { return !allowed(b) })
	// An empty list, and not none: no schema may be fetched from anywhere.
	c.AllowNet = []string{}
	return &c
}

// refused are built-in functions, by name or, with a dot at its end, by the
// beginning of it.
var refused = []string{
	"http.", "net.", "opa.", "providers.", "rego.", "io.jwt.encode_sign", "io.jwt.encode_sign_raw",
	// They fetch what a schema refers to.
	"json.match_schema", "json.verify_schema",
	// They make much of little.
	"numbers.range", "numbers.range_step", "bits.lsh",
}

func allowed(b *ast.Builtin) bool {
	if slices.ContainsFunc(refused, func(r string) bool {
		return b.Name == r || strings.HasSuffix(r, ".") && strings.HasPrefix(b.Name, r)
	}) {
		return false
	}
	// The time is the verdict's.
	return !b.Nondeterministic || b.Name == "time.now_ns"
}

// Evaluate reaches the verdict that readiness.Evaluate reaches, with the policy
// in place of the checks file's rules. It does not fail: where the policy does
// not come to a decision, the verdict is not ready and says why.
func Evaluate(ctx context.Context, p *Policy, in readiness.Input) readiness.Verdict {
	decision := p.decide(ctx, in)
	decision.Files = p.files
	in.Decision = &decision
	return readiness.Evaluate(in)
}

func (p *Policy) decide(ctx context.Context, in readiness.Input) readiness.Decision {
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	ctx, done := watchMemory(ctx, p.memory)
	defer done()
	problem := func(format string, args ...any) readiness.Decision {
		switch {
		case errors.Is(context.Cause(ctx), errMemory):
			return readiness.Decision{Problem: fmt.Sprintf("it took more than %d MiB of memory", p.memory>>20)}
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			return readiness.Decision{Problem: fmt.Sprintf("it took longer than %s", p.limit)}
		case ctx.Err() != nil:
			return readiness.Decision{Problem: "the run was cancelled"}
		}
		return readiness.Decision{Problem: plaintext.Clip(fmt.Sprintf(format, args...), 1000)}
	}
	data := map[string]any{}
	if in.Checks != nil {
		var file any
		if err := json.Unmarshal(in.Checks.Raw, &file); err != nil {
			return problem("reading checks file %s: %v", in.Checks.Name, err)
		}
		data["checks"] = file
	}
	encoded, err := json.Marshal(readiness.Describe(in))
	if err != nil {
		return problem("describing the evidence: %v", err)
	}
	input, err := ast.ValueFromReader(strings.NewReader(string(encoded)))
	if err != nil {
		return problem("describing the evidence: %v", err)
	}
	query := func(rule string) (any, bool, error) {
		prepared, err := rego.New(
			rego.Compiler(p.compiler), rego.Query("data."+Package+"."+rule), rego.Store(inmem.NewFromObject(data)),
			rego.StrictBuiltinErrors(true), rego.Time(in.Now), rego.Capabilities(safe()),
		).PrepareForEval(ctx)
		if err != nil {
			return nil, false, err
		}
		results, err := prepared.Eval(ctx, rego.EvalParsedInput(input), rego.EvalTime(in.Now))
		if err != nil || len(results) == 0 || len(results[0].Expressions) == 0 {
			return nil, false, err
		}
		return results[0].Expressions[0].Value, true, nil
	}

	value, defined, err := query("allow")
	if err != nil {
		return problem("allow: %s", explain(err))
	}
	allow, isBool := value.(bool)
	switch {
	case !defined:
		return problem("allow is undefined: give it a default, as in default allow := false")
	case !isBool:
		return problem("allow is %.200q, which is neither true nor false", fmt.Sprint(value))
	}
	if ctx.Err() != nil {
		// Fast policies do not notice.
		return problem("")
	}
	decision := readiness.Decision{Allow: allow}
	if len(p.compiler.GetRules(ast.MustParseRef("data."+Package+".table_results"))) == 0 {
		return decision
	}
	value, defined, err = query("table_results")
	if err != nil {
		return problem("table_results: %s", explain(err))
	}
	if !defined {
		return problem("table_results is undefined: make it a set, as in table_results contains row if { … }")
	}
	if decision.Rows, err = rows(value); err != nil {
		return problem("table_results: %v", err)
	}
	return decision
}

// watchMemory cancels the context it returns with errMemory once the program
// has grown by more than limit.
func watchMemory(ctx context.Context, limit uint64) (context.Context, func()) {
	inUse := func() uint64 {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	before := inUse()
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		ticker := time.NewTicker(watchEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if inUse() > before+limit {
					cancel(errMemory)
				}
			}
		}
	}()
	return ctx, func() { cancel(nil) }
}

// explain is an error of OPA without its decoration.
func explain(err error) string {
	var e *topdown.Error
	if errors.As(err, &e) {
		return e.Error()
	}
	return err.Error()
}

// fields of a row that must be there; the others may.
var fields = []string{"RuleType", "AssetType", "AssetId", "EvidenceTypeId", "Tool", "Status", "Source", "Target"}

func rows(value any) ([]readiness.Row, error) {
	items, ok := value.([]any)
	switch {
	case !ok:
		return nil, fmt.Errorf("it is neither a set nor a list, but %.100q", fmt.Sprint(value))
	case len(items) > MaxRows:
		return nil, fmt.Errorf("it has %d objects; at most %d are read", len(items), MaxRows)
	}
	out := make([]readiness.Row, 0, len(items))
	for _, item := range items {
		object, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%.100q in it is no object", fmt.Sprint(item))
		}
		for _, field := range fields {
			if _, ok := object[field]; !ok {
				return nil, fmt.Errorf("an object in it has no %s: %.300q", field, fmt.Sprint(object))
			}
		}
		var row readiness.Row
		var entry string
		for field, into := range map[string]*string{
			"RuleType": &row.RuleType, "AssetType": &row.AssetType, "AssetId": &row.AssetID, "EvidenceTypeId": &row.EvidenceTypeID,
			"Tool": &row.Tool, "Status": &row.Status, "Source": &row.Source, "Target": &row.Target,
			"Entry": &entry, "EvidenceId": &row.EvidenceID, "Message": &row.Message, "Rule": &row.Rule,
		} {
			given, ok := object[field]
			if !ok {
				continue
			}
			text, ok := given.(string)
			if !ok || len(text) > maxText {
				return nil, fmt.Errorf("%s of an object in it is no text of at most %d bytes: %.200q", field, maxText, fmt.Sprint(given))
			}
			*into = text
		}
		if _, ok := object["Entry"]; ok {
			row.Entry = &entry
		}
		out = append(out, row)
	}
	return out, nil
}
