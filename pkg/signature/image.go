// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/sigstore/cosign/v2/pkg/types"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"golang.org/x/sync/errgroup"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/attestation"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

var digestPattern = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Verify verifies items, Limits.Parallel at once, and returns a result for each,
// in their order. An image that several items name is verified once. It always
// returns all results: what cannot be reached is a result that is not OK.
func (t *Trust) Verify(ctx context.Context, items []Item) []Result {
	results := make([]Result, len(items))
	same := alike(len(items), func(i int) string {
		item := items[i]
		return strings.Join([]string{string(item.Type), item.Digest, strings.Join(item.References, " "), item.Signature,
			strings.Join(item.Locations, " "), strings.Join(item.Authorities, " "), strings.Join(item.Sources, " ")}, "\n")
	})
	t.registry.forget()
	var group errgroup.Group
	group.SetLimit(max(1, t.limits.Parallel))
	for first, others := range same {
		group.Go(func() error {
			results[first] = t.item(ctx, items[first])
			for _, i := range others {
				results[i] = results[first].of(items[i])
			}
			return nil
		})
	}
	_ = group.Wait() // No worker returns an error.
	return results
}

// alike groups what has the same key: by the first of each group, the others.
func alike(n int, key func(i int) string) map[int][]int {
	first := map[string]int{}
	groups := map[int][]int{}
	for i := range n {
		k := key(i)
		if j, ok := first[k]; ok {
			groups[j] = append(groups[j], i)
			continue
		}
		first[k] = i
		groups[i] = nil
	}
	return groups
}

// of is the same result for another item.
func (r Result) of(item Item) Result {
	r.Message = strings.Replace(r.Message, entryPrefix(r.Item), entryPrefix(item), 1)
	r.Item = item
	return r
}

func entryPrefix(item Item) string {
	return "entry " + plaintext.Clip(plaintext.Line(item.Entry), 300) + ": "
}

func (t *Trust) item(ctx context.Context, item Item) Result {
	r := Result{Item: item, Tool: ToolCosign}
	found, unknown := t.named(item.Authorities)
	if len(unknown) > 0 || len(found) == 0 {
		return r.fail(ReasonUnknownAuthority, "the rule names authorities that the policy does not have: "+strings.Join(unknown, ", "),
			"add them to the policy's authorities, or correct the rule")
	}
	if item.Type == evidence.AssetImage {
		return t.image(ctx, r, found)
	}
	return t.artifact(ctx, r, found)
}

func (r Result) fail(reason Reason, message, remedy string) Result {
	r.OK, r.Reason = false, reason
	r.Message, r.Remedy = entryPrefix(r.Item)+clippedText(message), clippedText(remedy)
	return r
}

func (r Result) verified(a *authority, signer string) Result {
	r.OK, r.Reason, r.Authority, r.Signer = true, ReasonVerified, a.name, signer
	r.Message = entryPrefix(r.Item) + clippedText(fmt.Sprintf("signed by %s, authority %s", signer, a.name))
	return r
}

// parsedImage is a subject whose references were understood.
type parsedImage struct {
	digest string
	hash   v1.Hash
	// places are the repositories that the references name, each once, with the
	// image's digest.
	places []name.Digest
	tags   []name.Tag
}

// parseImage reads the references of a subject: each must be one, and none may
// name another digest than the subject.
func parseImage(s Subject) (*parsedImage, error) {
	if !digestPattern.MatchString(s.Digest) {
		return nil, errors.New("the entry names no digest, and a tag may name another image tomorrow")
	}
	p := &parsedImage{digest: s.Digest}
	var err error
	if p.hash, err = v1.NewHash(s.Digest); err != nil {
		return nil, err
	}
	for _, text := range s.References {
		text, digest, _ := strings.Cut(text, "@")
		if digest != "" && digest != s.Digest {
			return nil, fmt.Errorf("the entry names both %s and %s", s.Digest, clipped(digest))
		}
		tag, err := name.NewTag(text)
		if err != nil {
			return nil, fmt.Errorf("%q is no image reference", clipped(text))
		}
		place := tag.Digest(s.Digest)
		if !slices.ContainsFunc(p.places, func(d name.Digest) bool { return d.String() == place.String() }) {
			p.places = append(p.places, place)
		}
		// Without a tag in the text, NewTag fills in "latest", as do those who pull
		// by a name alone.
		if last := text[strings.LastIndex(text, "/")+1:]; strings.Contains(last, ":") || digest == "" {
			p.tags = append(p.tags, tag)
		}
	}
	if len(p.places) == 0 {
		return nil, errors.New("the entry names no image in artifact or provenance")
	}
	return p, nil
}

func (t *Trust) image(ctx context.Context, r Result, authorities []*authority) Result {
	signers := slices.DeleteFunc(slices.Clone(authorities), func(a *authority) bool { return !a.signsImages() })
	if len(signers) == 0 {
		return r.fail(ReasonUnknownAuthority, "the rule names only GPG keyrings, which cannot sign images", "name an authority with a key or identities")
	}
	image, err := parseImage(r.Item.Subject)
	if err != nil {
		return r.fail(ReasonNotIdentified, err.Error(), "write artifact and provenance as name:tag@sha256:…")
	}
	ctx, cancel := context.WithTimeout(ctx, t.limits.ImageTime)
	defer cancel()
	if moved := t.tagMoved(ctx, r, image); moved != nil {
		return *moved
	}
	remedy := fmt.Sprintf("sign it: cosign sign %s %s", signWith(signers), image.places[0])
	seen, closest := 0, (*refusal)(nil)
	note := func(refused *refusal) {
		seen++
		if closest == nil || rank[refused.reason] > rank[closest.reason] {
			closest = refused
		}
	}
	for _, place := range image.places {
		a, signer, err := t.signedClassic(ctx, place, image, signers, note)
		if err == nil && a == nil {
			a, signer, err = t.signedBundle(ctx, place, image, signers, note)
		}
		switch {
		case err != nil:
			return r.fail(ReasonUnreachable, fmt.Sprintf("the signatures of %s cannot be read: %v", place, err),
				"check that the registry is up and that the run's credentials can read the repository")
		case a != nil:
			return r.verified(a, signer)
		}
	}
	if seen == 0 {
		return r.fail(ReasonUnsigned, fmt.Sprintf("%s has no signature; expected one by %s", image.places[0], describe(signers)), remedy)
	}
	return r.fail(closest.reason, fmt.Sprintf("%s has %d signatures, none by %s: %v", image.places[0], seen, describe(signers), closest.err), remedy)
}

// tagMoved reports that a tag that the entry names now names another image. What
// was approved is the digest; but who deploys by the tag gets the other, and
// somebody moved it after the promotion. A tag that is gone has moved nowhere.
func (t *Trust) tagMoved(ctx context.Context, r Result, image *parsedImage) *Result {
	for _, tag := range image.tags {
		now, err := t.registry.head(ctx, tag)
		var failed Result
		switch {
		case errors.Is(err, errNotFound) || (err == nil && now == image.digest):
			continue
		case err != nil:
			failed = r.fail(ReasonUnreachable, fmt.Sprintf("what %s names now cannot be found out: %v", tag, err),
				"check that the registry is up and that the run's credentials can read the repository")
		default:
			failed = r.fail(ReasonTagMoved, fmt.Sprintf("the entry says that %s is %s, and the registry says it is %s: the tag was moved", tag, image.digest, now),
				fmt.Sprintf("promote the image that is meant, or move the tag back: crane tag %s@%s %s", tag.Context(), image.digest, tag.TagStr()))
		}
		return &failed
	}
	return nil
}

func signWith(authorities []*authority) string {
	for _, a := range authorities {
		if len(a.keys) > 0 {
			return "--key <private key of " + a.name + ">"
		}
	}
	return "--identity-token <token of " + authorities[0].identities[0].String() + ">"
}

// signedClassic looks at the layers of the image's .sig tag.
func (t *Trust) signedClassic(ctx context.Context, place name.Digest, image *parsedImage, signers []*authority, note func(*refusal)) (*authority, string, error) {
	layers, _, err := t.layers(ctx, place, image, "sig", types.SimpleSigningMediaType, t.limits.Payload, t.limits.Signatures)
	if err != nil {
		return nil, "", err
	}
	for _, layer := range layers {
		for _, a := range signers {
			signer, refused := a.image(ctx, layer, image.digest)
			if refused == nil {
				return a, signer, nil
			}
			note(refused)
		}
	}
	return nil, "", nil
}

// layers fetches what hangs at one of the tags that cosign makes of a digest.
// Payloads that several layers share are fetched once. Of more layers than limit
// the last are taken, which are the newest; then, or if one is too large, more is
// true.
func (t *Trust) layers(ctx context.Context, place name.Digest, image *parsedImage, suffix, mediaType string, size int64, limit int) (found []classic, more bool, err error) {
	tag := place.Context().Tag(image.hash.Algorithm + "-" + image.hash.Hex + "." + suffix)
	m, err := t.registry.manifest(ctx, tag)
	switch {
	case errors.Is(err, errNotFound):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	descriptors := slices.DeleteFunc(m.Layers, func(d v1.Descriptor) bool { return string(d.MediaType) != mediaType })
	all := len(descriptors)
	descriptors = slices.DeleteFunc(descriptors, func(d v1.Descriptor) bool { return d.Size > size })
	if len(descriptors) > limit {
		descriptors = descriptors[len(descriptors)-limit:]
	}
	descriptors = t.affordable(descriptors)
	payloads := map[v1.Hash][]byte{}
	for _, d := range descriptors {
		payload, ok := payloads[d.Digest]
		if !ok {
			if payload, err = t.registry.blob(ctx, place.Context(), d, size); err != nil {
				return nil, false, err
			}
			payloads[d.Digest] = payload
		}
		found = append(found, classic{payload: payload, annotations: d.Annotations})
	}
	return found, len(descriptors) < all, nil
}

// affordable are the last of some layers, as far as they may be read together.
func (t *Trust) affordable(layers []v1.Descriptor) []v1.Descriptor {
	counted := map[v1.Hash]bool{}
	left := t.limits.Attached
	for i := len(layers) - 1; i >= 0; i-- {
		if d := layers[i]; !counted[d.Digest] {
			counted[d.Digest] = true
			if left -= max(d.Size, 0); left < 0 {
				return layers[i+1:]
			}
		}
	}
	return layers
}

// signedBundle looks at the Sigstore bundles that refer to the image.
func (t *Trust) signedBundle(ctx context.Context, place name.Digest, image *parsedImage, signers []*authority, note func(*refusal)) (*authority, string, error) {
	bundles, _, err := t.bundles(ctx, place, t.limits.Signatures, types.CosignSignPredicateType)
	if err != nil {
		return nil, "", err
	}
	for _, data := range bundles {
		for _, a := range signers {
			p, refused := a.bundle(data, verify.WithoutArtifactUnsafe())
			if refused == nil {
				refused = signedImage(p.statement, image.digest)
			}
			if refused == nil {
				return a, p.signer, nil
			}
			// An attestation is no signature, whoever signed it; to an image
			// that has only those, "unsigned" says best what is missing.
			if refused.reason != ReasonWrongClaim {
				note(refused)
			}
		}
	}
	return nil, "", nil
}

// signedImage checks that a verified statement is an image signature of this
// image.
func signedImage(statement []byte, digest string) *refusal {
	s, err := attestation.Parse(statement)
	switch {
	case err != nil:
		return refuse(ReasonWrongClaim, "what is signed is no image signature: %w", err)
	case s.PredicateType != types.CosignSignPredicateType:
		return refuse(ReasonWrongClaim, "what is signed is a %q, not an image signature", clipped(s.PredicateType))
	case !s.About(digest):
		return refuse(ReasonDigestMismatch, "the signature is of another image: it was copied")
	}
	return nil
}

// emptyConfig is the type of the configuration of what is no image.
const emptyConfig = "application/vnd.oci.empty.v1+json"

// bundles fetches the Sigstore bundles that refer to an image. Of more than
// limit the last are taken, and more is true. prefer says which kind of content
// goes first; the hint is anybody's, so that nothing is left out by it.
func (t *Trust) bundles(ctx context.Context, place name.Digest, limit int, prefer string) (found [][]byte, more bool, err error) {
	referrers, err := t.registry.referrers(ctx, place)
	if err != nil {
		return nil, false, err
	}
	referrers = slices.DeleteFunc(referrers, func(d v1.Descriptor) bool {
		// A registry that does not say the type, or takes it from the empty
		// configuration, must be asked for each.
		return d.ArtifactType != "" && d.ArtifactType != emptyConfig && !strings.HasPrefix(d.ArtifactType, bundleMediaType)
	})
	hinted := func(d v1.Descriptor) int {
		switch d.Annotations["dev.sigstore.bundle.predicateType"] {
		case prefer, "":
			return 0
		}
		return 1
	}
	slices.Reverse(referrers)
	slices.SortStableFunc(referrers, func(a, b v1.Descriptor) int { return hinted(a) - hinted(b) })
	if len(referrers) > limit {
		referrers, more = referrers[:limit], true
	}
	contents := make([][]byte, len(referrers))
	var (
		once sync.Once
		left atomic.Int64
	)
	left.Store(t.limits.Attached)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, d := range referrers {
		group.Go(func() error {
			content, err := t.bundleBlob(ctx, place, d, &left)
			if errors.Is(err, errTooLarge) {
				once.Do(func() { more = true })
				return nil
			}
			contents[i] = content
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, false, err
	}
	return slices.DeleteFunc(contents, func(c []byte) bool { return c == nil }), more, nil
}

// bundleBlob fetches the bundle of one referrer, nil if it holds none, and takes
// its size from what is left to read.
func (t *Trust) bundleBlob(ctx context.Context, place name.Digest, d v1.Descriptor, left *atomic.Int64) ([]byte, error) {
	m, err := t.registry.manifest(ctx, place.Context().Digest(d.Digest.String()))
	switch {
	case errors.Is(err, errNotFound):
		// Listed, and gone: a registry collects garbage at its own pace.
		return nil, nil
	case err != nil:
		return nil, err
	case len(m.Layers) != 1 || !strings.HasPrefix(string(m.Layers[0].MediaType), bundleMediaType):
		return nil, nil
	case left.Add(-max(m.Layers[0].Size, 0)) < 0:
		return nil, errTooLarge
	}
	return t.registry.blob(ctx, place.Context(), m.Layers[0], t.limits.Statement)
}
