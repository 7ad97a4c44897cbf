// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/evidence"
	"github.com/countersign-dev/countersign/pkg/signature"
)

// The keys of a Secret that cosign generate-key-pair makes.
const (
	keyFile      = "cosign.key"
	passwordFile = "cosign.password"
	maxKeyFile   = 64 << 10
)

// Key is what a record is signed with: at most one of the two.
type Key struct {
	// Cosign is a folder with cosign.key and cosign.password.
	Cosign step.Workspace
	// KMS is a reference to a key management service.
	KMS string
}

// Flags adds the flags that fill the key.
func (k *Key) Flags(flags *pflag.FlagSet) {
	flags.StringVar(&k.KMS, "signing-key", "", "sign the record with this key of a key management service: awskms://…, azurekms://…, gcpkms://…, hashivault://…")
	step.AddWorkspace(flags, &k.Cosign, "cosign", "cosign.key and cosign.password, to sign the record with")
}

// signer opens the key; without one, records stay unsigned.
func (k *Key) signer(ctx context.Context) (evidence.RecordSigner, error) {
	dir := k.Cosign.Folder()
	switch {
	case dir == "" && k.KMS == "":
		return nil, nil
	case dir != "" && k.KMS != "":
		return nil, step.Invalid("parameter signing-key and workspace cosign are both given: choose one")
	case k.KMS != "":
		scheme, _, found := strings.Cut(k.KMS, "://")
		if !found || !slices.Contains(v1alpha1.KMSSchemes, scheme) {
			return nil, step.Invalid(fmt.Sprintf("parameter signing-key: %s names no key management service: it begins with one of %s://",
				shown(k.KMS), strings.Join(v1alpha1.KMSSchemes, "://, ")))
		}
		signer, err := signature.NewRecordSigner(ctx, signature.SigningKey{KMS: k.KMS})
		if err != nil {
			return nil, fmt.Errorf("parameter signing-key: %w", err)
		}
		return signer.Sign, nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open workspace cosign: %w", err)
	}
	defer root.Close()
	private, err := readFile(root, keyFile, maxKeyFile)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("no such file")
		}
		return nil, step.Invalid(fmt.Sprintf("workspace cosign: %s: %v; bind a Secret such as cosign generate-key-pair k8s://NAMESPACE/NAME makes", keyFile, err))
	}
	password, err := readFile(root, passwordFile, maxKeyFile)
	without := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		without = "; there is no file " + passwordFile
	case err != nil:
		return nil, step.Invalid(fmt.Sprintf("workspace cosign: %s: %v", passwordFile, err))
	}
	// An editor ends a file with a line break, which is no part of the password.
	password = bytes.TrimSuffix(password, []byte("\n"))
	signer, err := signature.NewRecordSigner(ctx, signature.SigningKey{PEM: private, Password: password})
	if err != nil {
		return nil, step.Invalid(fmt.Sprintf("workspace cosign: %v%s", err, without))
	}
	return signer.Sign, nil
}
