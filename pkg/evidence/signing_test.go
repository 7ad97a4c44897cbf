// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package evidence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-dev/countersign/pkg/evidence"
)

// seal stands for a signature: the envelope is the name of the signer and the
// record, and only ci is trusted.
func seal(signer string) evidence.Option {
	return evidence.WithRecordSigner(func(_ context.Context, record []byte) ([]byte, error) {
		return []byte(signer + "\n" + string(record)), nil
	})
}

var trustCI = evidence.WithRecordVerifier(func(_ context.Context, record, envelope []byte) (string, error) {
	signer, content, _ := strings.Cut(string(envelope), "\n")
	switch {
	case content != string(record):
		return "", errors.New("another record was signed")
	case signer != "ci":
		return "", fmt.Errorf("signed by %s", signer)
	}
	return signer, nil
})

func signatureKey(id string) string {
	return strings.Replace(evidenceKey(id), "index.json", "signature.dsse.json", 1)
}

func TestSignedEvidence(t *testing.T) {
	component := evidence.Component{Entry: "shop", RepositoryURL: repoURL, CommitSHA: commitSHA}
	day := func(n int) evidence.Text { return evidence.Text(fmt.Sprintf("2026-01-%02dT00:00:00Z", n)) }
	type written struct {
		result string
		date   evidence.Text
		signer string
		spoil  string
	}
	for name, tc := range map[string]struct {
		records []written
		// want is what counts, and the problems.
		want []string
	}{
		"a success that is signed":                {[]written{{"success", day(1), "ci", ""}}, []string{"success by ci"}},
		"a success that is not":                   {[]written{{"success", day(1), "", ""}}, []string{"Unsigned: it is not signed"}},
		"a success that a stranger signed":        {[]written{{"success", day(1), "eve", ""}}, []string{"Unsigned: signed by eve"}},
		"a success that was changed":              {[]written{{"success", day(1), "ci", "record"}}, []string{"Unsigned: another record was signed"}},
		"a signature beyond the limit":            {[]written{{"success", day(1), "ci", "signature"}}, []string{"Unsigned: larger than the limit"}},
		"a failure counts unsigned":               {[]written{{"success", day(1), "ci", ""}, {"failure", day(2), "", ""}}, []string{"failure"}},
		"a pending counts unsigned":               {[]written{{"success", day(1), "ci", ""}, {"pending", day(2), "", ""}}, []string{"pending"}},
		"an unsigned success does not make good":  {[]written{{"failure", day(1), "", ""}, {"success", day(2), "", ""}}, []string{"failure", "Unsigned: it is not signed"}},
		"nor end a pending":                       {[]written{{"pending", day(1), "ci", ""}, {"success", day(2), "eve", ""}}, []string{"pending", "Unsigned: signed by eve"}},
		"a signed success stands beside another":  {[]written{{"success", day(1), "ci", ""}, {"success", day(2), "", ""}}, []string{"success by ci"}},
		"a signed success makes a failure good":   {[]written{{"failure", day(1), "", ""}, {"success", day(2), "ci", ""}}, []string{"success by ci"}},
		"the one that counts may be the older":    {[]written{{"success", day(1), "", ""}, {"success", day(2), "ci", ""}}, []string{"success by ci"}},
		"an unknown word is as bad as a failure":  {[]written{{"success", day(1), "ci", "word"}}, []string{"unknown"}},
		"two that are not signed are one problem": {[]written{{"success", day(1), "", ""}, {"success", day(2), "eve", ""}}, []string{"Unsigned: signed by eve"}},
	} {
		t.Run(name, func(t *testing.T) {
			plain, bucket := locker(t)
			writeAsset(t, plain, commitURI)
			for _, w := range tc.records {
				l := plain
				if w.signer != "" {
					l = evidence.New(bucket, "mem://", seal(w.signer))
				}
				id, err := l.WriteEvidence(t.Context(), evidence.Evidence{
					TypeID: evidence.TypeUnitTests, Date: w.date,
					Details: evidence.Details{Result: evidence.Text(w.result), Tool: "go"},
					Assets:  []evidence.AssetRef{{URI: evidence.Text(commitURI)}},
				})
				if err != nil {
					t.Fatal(err)
				}
				record, err := bucket.ReadAll(t.Context(), evidenceKey(id))
				if err != nil {
					t.Fatal(err)
				}
				switch w.spoil {
				case "record":
					put(t, bucket, evidenceKey(id), strings.Replace(string(record), `"go"`, `"gone"`, 1))
				case "word":
					put(t, bucket, evidenceKey(id), strings.Replace(string(record), `"success"`, `"passed"`, 1))
				case "signature":
					put(t, bucket, signatureKey(id), strings.Repeat("x", 5<<20))
				}
			}
			c, err := evidence.New(bucket, "mem://", trustCI).Read(t.Context(), []evidence.Component{component})
			if err != nil {
				t.Fatal(err)
			}
			current, problems := evidence.Newest(c.Assets[commitID].Evidences, now)
			var got []string
			for _, e := range current {
				line := string(e.Result())
				if e.Signature.Signer != "" {
					line += " by " + e.Signature.Signer
				}
				got = append(got, line)
			}
			for _, p := range problems {
				i := strings.Index(p.Message, tc.want[len(tc.want)-1][len("Unsigned: "):])
				if i < 0 {
					t.Errorf("message %q does not say why", p.Message)
				}
				got = append(got, string(p.Reason)+": "+strings.Trim(tc.want[len(tc.want)-1][len("Unsigned: "):], `"`))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			// Without the demand, the newest counts as ever.
			c, err = plain.Read(t.Context(), []evidence.Component{component})
			if err != nil {
				t.Fatal(err)
			}
			if _, problems := evidence.Newest(c.Assets[commitID].Evidences, now); len(problems) > 0 {
				t.Errorf("without a verifier: %v", problems)
			}
		})
	}
}

func TestSigningIsIdempotentAndMends(t *testing.T) {
	plain, bucket := locker(t)
	writeAsset(t, plain, commitURI)
	id := writeEvidence(t, plain, evidence.TypeUnitTests, "success", commitURI)
	read := func() string {
		t.Helper()
		data, err := bucket.ReadAll(t.Context(), signatureKey(id))
		if err != nil {
			t.Fatal(err)
		}
		signer, _, _ := strings.Cut(string(data), "\n")
		return signer
	}
	// Written before without a signature.
	writeEvidence(t, evidence.New(bucket, "mem://", seal("eve")), evidence.TypeUnitTests, "success", commitURI)
	if got := read(); got != "eve" {
		t.Errorf("signed by %s, want eve", got)
	}
	// One that is there is kept by who cannot tell whether it is good…
	writeEvidence(t, evidence.New(bucket, "mem://", seal("ci")), evidence.TypeUnitTests, "success", commitURI)
	if got := read(); got != "eve" {
		t.Errorf("signed by %s, want eve", got)
	}
	// … and replaced by who can.
	writeEvidence(t, evidence.New(bucket, "mem://", seal("ci"), trustCI), evidence.TypeUnitTests, "success", commitURI)
	if got := read(); got != "ci" {
		t.Errorf("signed by %s, want ci", got)
	}
	failing := evidence.WithRecordSigner(func(context.Context, []byte) ([]byte, error) { return nil, errors.New("no key") })
	e := evidence.Evidence{
		TypeID: "t", Date: date, Details: evidence.Details{Result: "success"}, Assets: []evidence.AssetRef{{URI: evidence.Text(commitURI)}},
	}
	if id, err := evidence.New(bucket, "mem://", failing).WriteEvidence(t.Context(), e); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("without a key: %s, %v", id, err)
	}
	c, err := plain.Read(t.Context(), []evidence.Component{{Entry: "shop", RepositoryURL: repoURL, CommitSHA: commitSHA}})
	if err != nil || len(c.Assets[commitID].Evidences) != 1 {
		t.Errorf("what could not be signed must not be found: %v, %v", found(c), err)
	}
}

func TestVersion1IsNeverSigned(t *testing.T) {
	_, bucket := locker(t)
	put(t, bucket, "raw/ci/run-7/evidences/a.json", legacy("unit_tests", "success", `"subject":"`+repoURL+`",`))
	put(t, bucket, "raw/ci/run-7/evidences/signature.dsse.json", "{}")
	component := evidence.Component{Entry: "shop", RepositoryURL: repoURL, CommitSHA: commitSHA, PipelineRunID: "run-7"}
	c, err := evidence.New(bucket, "mem://", trustCI).Read(t.Context(), []evidence.Component{component})
	if err != nil {
		t.Fatal(err)
	}
	current, problems := evidence.Newest(c.Assets[commitID].Evidences, now)
	if len(current) != 0 || len(problems) != 1 || problems[0].Reason != evidence.ReasonUnsigned {
		t.Errorf("got %v and %v, want Unsigned", current, problems)
	}
}

func TestAdd(t *testing.T) {
	l, _ := locker(t)
	fill(t, l)
	c, err := l.Read(t.Context(), []evidence.Component{shop})
	if err != nil {
		t.Fatal(err)
	}
	change, err := evidence.CommitURI("https://forge.example/acme/inventory", strings.Repeat("9", 40))
	if err != nil {
		t.Fatal(err)
	}
	record := func(uri string) *evidence.Evidence {
		return &evidence.Evidence{
			TypeID: "com.ibm.peer_review", Date: date, Details: evidence.Details{Result: "success", Tool: "countersign"},
			Assets: []evidence.AssetRef{{URI: evidence.Text(uri)}},
		}
	}
	if err := c.Add(record(change.String)); err == nil || !strings.Contains(err.Error(), "no asset of the entries") {
		t.Errorf("evidence about nothing of the collection: %v", err)
	}
	c.AddChange(change)
	c.AddChange(change)
	e := record(change.String)
	for range 2 {
		if err := c.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if !evidence.ValidID(string(e.ID)) || len(e.Raw) == 0 {
		t.Errorf("the evidence was not completed: %+v", e)
	}
	both := record(imageURI)
	both.Assets = append(both.Assets, evidence.AssetRef{URI: evidence.Text(commitURI)})
	both.Signature = evidence.Signature{Status: evidence.SignatureInvalid, Problem: "it is not signed"}
	if err := c.Add(both); err != nil {
		t.Fatal(err)
	}
	if err := c.Add(&evidence.Evidence{TypeID: "t"}); err == nil {
		t.Error("evidence of nothing was added")
	}
	got := found(c)
	for i := range got {
		head, tail, _ := strings.Cut(got[i], ":")
		got[i] = head + ":" + sorted(tail)
	}
	want := []string{
		"shop entry image: cloud.image_signing=success peer_review=success",
		"shop entry commit: peer_review=success unit_tests=success",
		"shop related pipelinerun: pipeline_logs=success",
		" change commit: peer_review=success",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// It counts without a signature, and what is written is what was judged.
	if _, problems := evidence.Newest(c.Assets[imageDigest].Evidences, now); len(problems) > 0 {
		t.Errorf("got %v", problems)
	}
	if id, err := l.WriteEvidence(t.Context(), *e); err != nil || id != string(e.ID) {
		t.Errorf("written as %s, %v; want %s", id, err, e.ID)
	}
}

// Whoever may write to the locker cannot answer for the run: not by the same
// tool, and not with a date that is a moment later, which clocks may differ by.
func TestAddVerifiedIsNotSuperseded(t *testing.T) {
	l, _ := locker(t)
	fill(t, l)
	record := func(result evidence.Text, at time.Time) *evidence.Evidence {
		return &evidence.Evidence{
			TypeID: "com.ibm.cloud.verify_signature", Date: evidence.Text(at.UTC().Format(time.RFC3339)),
			Details: evidence.Details{Result: result, Tool: "countersign"}, Assets: []evidence.AssetRef{{URI: evidence.Text(imageURI)}},
		}
	}
	for sentence, tc := range map[string]struct {
		read, verified, want evidence.Text
	}{
		"a success that was read supersedes no failure": {read: "success", verified: "failure", want: "failure"},
		"nor does it harm a success":                    {read: "success", verified: "success", want: "success"},
		"a failure that was read still counts":          {read: "failure", verified: "success", want: "failure"},
		"a pending that was read hides no failure":      {read: "pending", verified: "failure", want: "failure"},
	} {
		t.Run(sentence, func(t *testing.T) {
			c, err := l.Read(t.Context(), []evidence.Component{shop})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Add(record(tc.read, now.Add(4*time.Minute))); err != nil {
				t.Fatal(err)
			}
			if err := c.AddVerified(record(tc.verified, now)); err != nil {
				t.Fatal(err)
			}
			current, _ := evidence.Newest(c.Assets[imageDigest].Evidences, now)
			i := slices.IndexFunc(current, func(c evidence.Current) bool { return c.TypeID == "com.ibm.cloud.verify_signature" })
			if i < 0 || current[i].Details.Result != tc.want {
				t.Errorf("got %+v, want %s", current, tc.want)
			}
		})
	}
}
