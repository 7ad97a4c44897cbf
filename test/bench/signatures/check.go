// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/signature"
)

const testResult = "https://in-toto.io/attestation/test-result/v0.1"

// check has cosign itself sign, in each form that it writes, and verifies that
// countersign takes these and no others: two programs that are compared must
// agree first.
func check(ctx context.Context, cosign, host, dir string) error {
	c := cli{ctx: ctx, path: cosign, dir: dir}
	if _, err := c.run("generate-key-pair"); err != nil {
		return err
	}
	public, err := os.ReadFile(filepath.Join(dir, "cosign.pub"))
	if err != nil {
		return err
	}
	trusted, err := signature.NewTrust(ctx, []v1alpha1.Authority{{Name: "release", Key: &v1alpha1.KeyAuthority{Data: string(public)}}})
	if err != nil {
		return err
	}
	predicate := filepath.Join(dir, "predicate.json")
	if err := os.WriteFile(predicate, []byte(`{"result":"PASSED","configuration":[]}`), 0o600); err != nil {
		return err
	}
	for _, form := range []struct {
		name string
		args []string
	}{{"tag", nil}, {"bundle", []string{"--new-bundle-format"}}} {
		image, err := push(host + "/check/" + form.name)
		if err != nil {
			return err
		}
		entry := inventory.Entry{Name: "app", Type: "image", Artifact: image.String(), Provenance: image.String(), Digest: image.DigestStr()}
		if r := verify(ctx, trusted, entry); r.Reason != signature.ReasonUnsigned {
			return fmt.Errorf("an image that cosign did not sign: %s: %s", r.Reason, r.Message)
		}
		attest := append([]string{"attest", "--key=cosign.key", "--tlog-upload=false", "--yes", "--type=" + testResult, "--predicate=" + predicate}, form.args...)
		if _, err := c.run(append(attest, image.String())...); err != nil {
			return err
		}
		rules := []v1alpha1.AttestationRule{{PredicateType: testResult, EvidenceType: "e", Authorities: []string{"release"}}}
		found := trusted.Attestations(ctx, []signature.Subject{signature.SubjectOf(entry)}, rules)[0]
		if found.Err != nil || len(found.Statements) != 1 || !found.Statements[0].Statement.About(image.DigestStr()) {
			return fmt.Errorf("what cosign attested (%s): %d statements, ignored %v, error %w", form.name, len(found.Statements), found.Ignored, found.Err)
		}
		if r := verify(ctx, trusted, entry); r.Reason != signature.ReasonUnsigned {
			return fmt.Errorf("an image that cosign attested and did not sign (%s): %s: %s", form.name, r.Reason, r.Message)
		}
		sign := append([]string{"sign", "--key=cosign.key", "--tlog-upload=false", "--yes"}, form.args...)
		if _, err := c.run(append(sign, image.String())...); err != nil {
			return err
		}
		if r := verify(ctx, trusted, entry); !r.OK {
			return fmt.Errorf("an image that cosign signed (%s): %s: %s", form.name, r.Reason, r.Message)
		}
	}
	content := []byte("an artifact")
	file := filepath.Join(dir, "artifact")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	bare, err := c.run("sign-blob", "--key=cosign.key", "--tlog-upload=false", "--yes", file)
	if err != nil {
		return err
	}
	if _, err := c.run("sign-blob", "--key=cosign.key", "--tlog-upload=false", "--yes", "--new-bundle-format", "--bundle=bundle.json", file); err != nil {
		return err
	}
	bundle, err := os.ReadFile(filepath.Join(dir, "bundle.json"))
	if err != nil {
		return err
	}
	for form, text := range map[string]string{"bare": string(bare), "bundle": string(bundle)} {
		entry := inventory.Entry{Name: "file", Type: "maven", Signature: text, Digest: "sha256:" + hex.EncodeToString(sum[:])}
		if r := verify(ctx, trusted, entry); !r.OK {
			return fmt.Errorf("a file that cosign signed (%s): %s: %s", form, r.Reason, r.Message)
		}
		entry.Digest = "sha256:" + hex.EncodeToString(make([]byte, 32))
		if r := verify(ctx, trusted, entry); r.OK {
			return fmt.Errorf("another file is verified by the signature that cosign made (%s)", form)
		}
	}
	return nil
}

func verify(ctx context.Context, trusted *signature.Trust, entry inventory.Entry) signature.Result {
	items, _ := signature.Select([]inventory.Entry{entry}, []v1alpha1.SignatureRule{{Authorities: []string{"release"}}})
	return trusted.Verify(ctx, items)[0]
}

func push(repository string) (name.Digest, error) {
	repo, err := name.NewRepository(repository)
	if err != nil {
		return name.Digest{}, err
	}
	image, err := random.Image(256, 1)
	if err != nil {
		return name.Digest{}, err
	}
	digest, err := image.Digest()
	if err != nil {
		return name.Digest{}, err
	}
	return repo.Digest(digest.String()), remote.Write(repo.Tag("1.0"), image)
}

// cli is the cosign program, in a folder with its keys.
type cli struct {
	ctx       context.Context
	path, dir string
}

func (c cli) run(args ...string) ([]byte, error) {
	cmd := exec.CommandContext(c.ctx, c.path, args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "COSIGN_PASSWORD=benchmark")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("cosign %s: %w\n%s", args[0], err, stderr.String())
	}
	return out, nil
}
