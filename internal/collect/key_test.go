// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sigstore/cosign/v2/pkg/cosign"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/signature"
)

// secret is a folder as a Secret of cosign is mounted.
func secret(t *testing.T, files map[string]string) step.Workspace {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return step.Workspace{Path: dir}
}

func TestASignedRecordCountsWhereSignaturesAreDemanded(t *testing.T) {
	keys, err := cosign.GenerateKeyPair(func(bool) ([]byte, error) { return []byte("s3cret"), nil })
	if err != nil {
		t.Fatal(err)
	}
	trust, err := signature.NewTrust(t.Context(), []v1alpha1.Authority{{Name: "ci", Key: &v1alpha1.KeyAuthority{Data: string(keys.PublicBytes)}}})
	if err != nil {
		t.Fatal(err)
	}
	status := func(w *world) evidence.Signature {
		l, err := evidence.Open(t.Context(), w.LockerURL, evidence.WithRecordVerifier(
			func(ctx context.Context, record, envelope []byte) (string, error) {
				return trust.VerifyRecord(ctx, []string{"ci"}, record, envelope)
			}))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c, err := l.Read(t.Context(), []evidence.Component{{Entry: "hello", RepositoryURL: repository, CommitSHA: commit}})
		if err != nil {
			t.Fatal(err)
		}
		found := c.Assets[evidence.CommitID(commit)].Evidences
		if len(found) != 1 {
			t.Fatalf("evidence %+v", found)
		}
		return found[0].Signature
	}
	for _, end := range []string{"", "\n"} {
		w := newWorld(t, nil)
		w.Key.Cosign = secret(t, map[string]string{keyFile: string(keys.PrivateBytes), passwordFile: "s3cret" + end})
		if _, err := w.run(now); err != nil {
			t.Fatal(err)
		}
		if got := status(w); got.Status != evidence.SignatureValid || !strings.HasPrefix(got.Signer, "ci") {
			t.Errorf("signed: %+v", got)
		}
	}
	w := newWorld(t, nil)
	if _, err := w.run(now); err != nil {
		t.Fatal(err)
	}
	if got := status(w); got.Status != evidence.SignatureInvalid {
		t.Errorf("unsigned: %+v", got)
	}

	for sentence, tc := range map[string]struct {
		key  Key
		want string
	}{
		"a wrong password":  {Key{Cosign: secret(t, map[string]string{keyFile: string(keys.PrivateBytes), passwordFile: "wrong"})}, "password is wrong"},
		"no key":            {Key{Cosign: secret(t, nil)}, "cosign.key"},
		"something else":    {Key{Cosign: secret(t, map[string]string{keyFile: "x"})}, "cannot be opened"},
		"two keys":          {Key{Cosign: secret(t, nil), KMS: "hashivault://x"}, "choose one"},
		"an unknown scheme": {Key{KMS: "file:///etc/passwd"}, "signing-key"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t, nil)
			w.Key, w.Tool = tc.key, ""
			_, err := w.run(now)
			// Beside what else is wrong.
			for _, want := range []string{tc.want, "parameter tool: is empty"} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Error("the error tells a password")
			}
			if found := w.objects(t); len(found) > 0 {
				t.Errorf("written: %v", found)
			}
		})
	}
}
