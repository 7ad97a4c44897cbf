// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package sbom

import (
	"reflect"
	"strings"
	"sync"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// refKind says what a reference in a document does.
type refKind int

const (
	// defines: the field bom-ref, which gives its element a name.
	defines refKind = iota
	// uses: any field that names another element.
	uses
)

// visitRefs calls visit for every reference in a value of the CycloneDX model,
// in a fixed order. What visit leaves empty in a list is removed from it.
//
// The model has references in some thirty places (evidence, cryptography,
// licences, annotations, …); finding them by type misses none, and those of
// later versions neither.
func visitRefs(v any, visit func(kind refKind, ref *string)) {
	walk(reflect.ValueOf(v), visit)
}

var (
	refType = reflect.TypeFor[cdx.BOMReference]()
	// Types that name other elements in plain strings, with those fields.
	plainRefs = map[reflect.Type][]string{
		reflect.TypeFor[cdx.Dependency]():                {"Ref", "Dependencies", "Provides"},
		reflect.TypeFor[cdx.Affects]():                   {"Ref"},
		reflect.TypeFor[cdx.MLDatasetChoice]():           {"Ref"},
		reflect.TypeFor[cdx.RelatedCryptographicAsset](): {"Ref"},
	}
)

// plan is what to do with the fields of a struct type.
type plan struct {
	fields []fieldPlan
}

type fieldPlan struct {
	index int
	kind  refKind
	// isRef: the field holds references itself; otherwise it is walked into.
	isRef bool
}

var plans sync.Map // reflect.Type -> *plan

func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	p := &plan{}
	for i := range t.NumField() {
		field := t.Field(i)
		if !field.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		bare := field.Type
		for bare.Kind() == reflect.Pointer || bare.Kind() == reflect.Slice {
			bare = bare.Elem()
		}
		plain := false
		for _, f := range plainRefs[t] {
			plain = plain || f == field.Name
		}
		switch {
		case name == "bom-ref":
			p.fields = append(p.fields, fieldPlan{index: i, kind: defines, isRef: true})
		case bare == refType || plain:
			p.fields = append(p.fields, fieldPlan{index: i, kind: uses, isRef: true})
		case bare.Kind() == reflect.Struct:
			p.fields = append(p.fields, fieldPlan{index: i})
		}
	}
	plans.Store(t, p)
	return p
}

func walk(v reflect.Value, visit func(refKind, *string)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			walk(v.Elem(), visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), visit)
		}
	case reflect.Struct:
		for _, field := range planOf(v.Type()).fields {
			if field.isRef {
				visitField(v.Field(field.index), field.kind, visit)
			} else {
				walk(v.Field(field.index), visit)
			}
		}
	}
}

// visitField visits a reference, a pointer to one, or a list of them.
func visitField(v reflect.Value, kind refKind, visit func(refKind, *string)) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		visitField(v.Elem(), kind, visit)
		if v.Elem().Kind() == reflect.String && v.Elem().Len() == 0 {
			v.SetZero()
		}
	case reflect.Slice:
		kept := 0
		seen := make(map[string]bool, v.Len())
		for i := range v.Len() {
			visitField(v.Index(i), kind, visit)
			if ref := v.Index(i).String(); ref != "" && !seen[ref] {
				seen[ref] = true
				v.Index(kept).Set(v.Index(i))
				kept++
			}
		}
		v.SetLen(kept)
	case reflect.String:
		if v.Len() == 0 {
			return
		}
		ref := v.String()
		visit(kind, &ref)
		v.SetString(ref)
	}
}
