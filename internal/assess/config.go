// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/bundle"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/stage"
)

// maxConfig bounds the files of a configuration repository together, in bytes.
const maxConfig = 128 << 20

// Document is a file that becomes an attachment of the change request.
type Document struct {
	// Name that people call it by.
	Name string
	// FileName in the bundle.
	FileName  string
	MediaType string
	Content   []byte
}

// Config is the configuration repository at one commit.
type Config struct {
	URL      string `json:"url"`
	Revision string `json:"revision"`
	Commit   string `json:"commit"`

	// Stages are those that the run may come to, with image and script digest
	// where run-stage runs them.
	Stages []v1alpha1.Stage `json:"stages"`
	// Members are the files of the repository.
	Members []bundle.Member `json:"-"`
	// Gating are the rules for evidence that the repository has.
	Gating Gating `json:"-"`
	// Documents are the files that become attachments.
	Documents []Document `json:"-"`
}

// GatherConfig reads the configuration repository: its files, the stage file
// and what is to be attached.
func GatherConfig(ctx context.Context, p *Params, progress *step.Progress) (*Config, error) {
	done := progress.Begin("Configuration %s", p.ConfigURL)
	c, err := readConfig(ctx, p)
	if err != nil {
		done("", err)
		return nil, err
	}
	done(fmt.Sprintf("branch %s is at %.12s, %d files", c.Revision, c.Commit, len(c.Members)), nil)
	var stageErr, gatingErr, documentErr error
	c.Stages, stageErr = c.stages(p.tasks())
	c.Gating, gatingErr = c.gating(p)
	c.Documents, documentErr = c.documents(p)
	return c, step.Join(stageErr, gatingErr, documentErr)
}

// GatherGating reads the rules for evidence of the configuration repository, and
// nothing else of it.
func GatherGating(ctx context.Context, p *Params, progress *step.Progress) (Gating, error) {
	done := progress.Begin("Configuration %s", p.ConfigURL)
	c, err := readConfig(ctx, p)
	if err != nil {
		done("", err)
		return Gating{}, err
	}
	done(fmt.Sprintf("branch %s is at %.12s", c.Revision, c.Commit), nil)
	return c.gating(p)
}

// readConfig clones the repository to disk, with the same care as an inventory,
// and reads the files at the head of the branch.
func readConfig(ctx context.Context, p *Params) (*Config, error) {
	dir, err := os.MkdirTemp(p.WorkDir, "config-")
	if err != nil {
		return nil, fmt.Errorf("cloning the configuration repository: %w", err)
	}
	defer os.RemoveAll(dir)
	clone, err := inventory.Clone(ctx, inventory.Options{URL: p.ConfigURL, Branch: p.ConfigRevision, Auth: p.GitAuth, Dir: dir})
	if err != nil {
		// The cause alone: the rest speaks of an inventory.
		if cause := errors.Unwrap(err); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("cloning branch %q of the configuration repository: %w", p.ConfigRevision, err)
	}
	repo, err := git.PlainOpen(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration repository: %w", err)
	}
	members, err := readTree(ctx, repo, clone.Head())
	if err != nil {
		return nil, fmt.Errorf("reading the configuration repository at %.12s: %w", clone.Head(), err)
	}
	return &Config{URL: p.ConfigURL, Revision: p.ConfigRevision, Commit: clone.Head(), Members: members}, nil
}

// readTree reads the files and symbolic links of a commit. Submodules are left
// out, as a checkout without them would.
func readTree(ctx context.Context, repo *git.Repository, commit string) ([]bundle.Member, error) {
	c, err := repo.CommitObject(plumbing.NewHash(commit))
	if err != nil {
		return nil, err
	}
	tree, err := c.Tree()
	if err != nil {
		return nil, err
	}
	walker := object.NewTreeWalker(tree, true, nil)
	defer walker.Close()
	var (
		members []bundle.Member
		left    = int64(maxConfig)
	)
	// Folders count as well: trees that hold each other many times over are small
	// in a repository and endless to walk.
	for count := 0; ; count++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		name, entry, err := walker.Next()
		if errors.Is(err, io.EOF) {
			return members, nil
		}
		if err != nil {
			return nil, err
		}
		if count == bundle.DefaultLimits.Members {
			return nil, fmt.Errorf("it has more than %d files and folders", bundle.DefaultLimits.Members)
		}
		if entry.Mode == filemode.Dir || entry.Mode == filemode.Submodule {
			continue
		}
		m, err := readBlob(repo, name, entry, left)
		if err != nil {
			return nil, fmt.Errorf("file %q: %w", name, err)
		}
		left -= int64(len(m.Content))
		members = append(members, m)
	}
}

func readBlob(repo *git.Repository, name string, entry object.TreeEntry, left int64) (bundle.Member, error) {
	m := bundle.Member{Path: name, Executable: entry.Mode == filemode.Executable}
	blob, err := repo.BlobObject(entry.Hash)
	if err != nil {
		return m, err
	}
	if blob.Size > left {
		return m, fmt.Errorf("the repository's files are larger than %d bytes together", maxConfig)
	}
	reader, err := blob.Reader()
	if err != nil {
		return m, err
	}
	defer reader.Close()
	content, err := io.ReadAll(reader)
	if entry.Mode == filemode.Symlink {
		m.Link = string(content)
		return m, err
	}
	m.Content = content
	return m, err
}

// file returns the content of a file of the repository.
func (c *Config) file(name string) ([]byte, error) {
	for _, m := range c.Members {
		if m.Path != name {
			continue
		}
		if m.Link != "" {
			return nil, errors.New("it is a symbolic link")
		}
		return m.Content, nil
	}
	return nil, fs.ErrNotExist
}

// stages completes the stages with image and script from the stage file.
func (c *Config) stages(tasks []v1alpha1.Stage) ([]v1alpha1.Stage, error) {
	var file *stage.File
	for _, s := range tasks {
		if s.Task != RunStage {
			continue
		}
		if file == nil {
			content, err := c.file(stage.FileName)
			if err != nil {
				return tasks, step.Invalid(fmt.Sprintf("configuration repository %s at %.12s: %s: %s; it names the image and script of each stage", c.URL, c.Commit, stage.FileName, missing(err)))
			}
			if file, err = stage.Parse(stage.FileName, content); err != nil {
				return tasks, step.Invalid(prefixed(fmt.Sprintf("configuration repository %s at %.12s: ", c.URL, c.Commit), strings.Split(err.Error(), "\n"))...)
			}
		}
	}
	var problems []string
	for i := range tasks {
		if tasks[i].Task != RunStage {
			continue
		}
		found, ok := file.Stage(tasks[i].Name)
		if !ok {
			problems = append(problems, fmt.Sprintf("configuration repository %s at %.12s: %s has no stage %q: add one, or name your own Task in parameter %s-task", c.URL, c.Commit, stage.FileName, tasks[i].Name, tasks[i].Name))
			continue
		}
		tasks[i].Image, tasks[i].ScriptDigest = found.Image, found.ScriptDigest()
	}
	return tasks, step.Invalid(problems...)
}

func prefixed(prefix string, lines []string) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = prefix + line
	}
	return out
}

func missing(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "there is no such file"
	}
	return err.Error()
}

// documents are the attachments that come from the repository: the rules for
// evidence, and the compliance profile.
func (c *Config) documents(p *Params) ([]Document, error) {
	var documents []Document
	if file := c.Gating.Checks; file != nil {
		documents = append(documents, Document{
			Name: AttachmentEvidenceChecks, FileName: "evidence-checks-config" + path.Ext(file.Path), MediaType: mediaType(file.Path), Content: file.Content,
		})
	}
	if modules := c.Gating.Rego; len(modules) > 0 {
		var text []byte
		for _, m := range modules {
			text = fmt.Appendf(text, "# %s\n%s\n", m.Path, m.Content)
		}
		documents = append(documents, Document{Name: AttachmentEvidencePolicy, FileName: "evidence-policy.rego", MediaType: "text/plain", Content: text})
	}
	if p.ComplianceProfilePath == "" {
		return documents, nil
	}
	content, err := c.file(clean(p.ComplianceProfilePath))
	if err != nil {
		return documents, step.Invalid(fmt.Sprintf("parameter compliance-profile-path is %.120q: %s in configuration repository %s at %.12s", p.ComplianceProfilePath, missing(err), c.URL, c.Commit))
	}
	return append(documents, Document{
		Name: AttachmentComplianceProfile, FileName: "compliance-profile" + path.Ext(p.ComplianceProfilePath), MediaType: mediaType(p.ComplianceProfilePath), Content: content,
	}), nil
}

// mediaType is that of a file by its name, for the kinds that profiles and
// checks are written in. The system's table is not asked: it differs from image
// to image, and attachments must not.
func mediaType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".json":
		return "application/json"
	case ".yaml", ".yml":
		return "application/yaml"
	case ".md":
		return "text/markdown"
	case ".txt":
		return "text/plain"
	case ".csv":
		return "text/csv"
	case ".pdf":
		return "application/pdf"
	}
	return "application/octet-stream"
}
