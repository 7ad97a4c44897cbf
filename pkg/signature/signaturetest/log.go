// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signaturetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	cosignbundle "github.com/sigstore/cosign/v2/pkg/cosign/bundle"
	"github.com/sigstore/rekor/pkg/pki"
	rekor "github.com/sigstore/rekor/pkg/types"
	"github.com/sigstore/rekor/pkg/types/hashedrekord"
	_ "github.com/sigstore/rekor/pkg/types/hashedrekord/v0.0.1" // what cosign logs
	"github.com/sigstore/sigstore-go/pkg/tlog"
)

// logEntry is the body of the log's entry for a key's signature.
func logEntry(ctx context.Context, publicKey string, payload, signature []byte) ([]byte, error) {
	sum := sha256.Sum256(payload)
	proposed, err := rekor.NewProposedEntry(ctx, hashedrekord.KIND, hashedrekord.New().DefaultVersion(), rekor.ArtifactProperties{
		ArtifactHash: hex.EncodeToString(sum[:]), SignatureBytes: signature,
		PublicKeyBytes: [][]byte{[]byte(publicKey)}, PKIFormat: string(pki.X509),
	})
	if err != nil {
		return nil, err
	}
	entry, err := rekor.CreateVersionedEntry(proposed)
	if err != nil {
		return nil, err
	}
	return rekor.CanonicalizeEntry(ctx, entry)
}

// promise is the log's signature under an entry.
func (s *Sigstore) promise(p cosignbundle.RekorPayload) ([]byte, error) {
	return s.RekorSignPayload(tlog.RekorPayload{Body: p.Body, IntegratedTime: p.IntegratedTime, LogIndex: p.LogIndex, LogID: p.LogID})
}
