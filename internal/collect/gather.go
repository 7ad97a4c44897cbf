// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/countersign-dev/countersign/internal/collect/findings"
	"github.com/countersign-dev/countersign/pkg/evidence"
)

// Bounds of files.
const (
	maxStatusFile = 256
	maxFindings   = 2 << 20
	// maxAttached is for all attachments of one record together.
	maxAttached = 64 << 20
)

// Facts is what the files say that were named.
type Facts struct {
	// Result of the check, as parameters or a file have it.
	Result evidence.Result
	// Findings of the check; none if it is pending.
	Findings []evidence.Finding
	// Attachments that are there.
	Attachments []evidence.Attachment
	// Missing are named files that are not there.
	Missing []string
}

// gather reads the files that were named. Those that parameters are wrong about
// are left alone.
func gather(p *Params, a *Asked) (*Facts, []string, error) {
	f := &Facts{Result: a.status.result}
	var root *os.Root
	if dir := p.Files.Folder(); dir != "" {
		var err error
		if root, err = os.OpenRoot(dir); err != nil {
			return nil, nil, fmt.Errorf("open workspace source: %w", err)
		}
		defer root.Close()
	}
	var faults []string
	if a.status.path != "" && (root != nil || filepath.IsAbs(a.status.path)) {
		result, err := readStatus(root, a.status.path)
		if err != nil {
			faults = append(faults, err.Error())
		}
		f.Result = result
	}
	if f.Result == evidence.ResultPending {
		return f, faults, nil // there is nothing to look at yet
	}
	if root == nil {
		return f, faults, nil
	}
	room := int64(maxAttached)
	for _, wanted := range a.attachments {
		content, err := readFile(root, wanted.path, room)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			f.Missing = append(f.Missing, "attachment "+shown(wanted.path))
		case err != nil:
			faults = append(faults, fmt.Sprintf("attachment %s: %v", shown(wanted.path), err))
		default:
			room -= int64(len(content))
			f.Attachments = append(f.Attachments, evidence.Attachment{Label: wanted.label, Content: content})
		}
	}
	if p.Findings != "" {
		content, err := readFile(root, p.Findings, maxFindings)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			f.Missing = append(f.Missing, "findings file "+shown(p.Findings))
		case err != nil:
			faults = append(faults, fmt.Sprintf("findings file %s: %v", shown(p.Findings), err))
		default:
			found, wrong := findings.Parse(content)
			for _, w := range wrong {
				faults = append(faults, fmt.Sprintf("findings file %s: %s", shown(p.Findings), w))
			}
			f.Findings = found
		}
	}
	return f, faults, nil
}

// readStatus reads a result's name or an exit code from a file. What else the
// file holds is not repeated: an absolute path may lead to a secret.
func readStatus(root *os.Root, path string) (evidence.Result, error) {
	unreadable := func(err error) (evidence.Result, error) {
		return evidence.ResultUnknown, fmt.Errorf("status file %s: %w", shown(path), err)
	}
	var content []byte
	var err error
	if filepath.IsAbs(path) {
		if root, err = os.OpenRoot(filepath.Dir(path)); err != nil {
			return unreadable(err)
		}
		defer root.Close()
		path = filepath.Base(path)
	}
	if content, err = readFile(root, path, maxStatusFile); err != nil {
		return unreadable(err)
	}
	if result, err := word(string(content)); err == nil {
		return result, nil
	}
	result, err := exitCode(string(content))
	if err != nil {
		return unreadable(errors.New("it holds neither success, failure or pending nor an exit code"))
	}
	return result, nil
}

// readFile reads a plain file inside of the folder, of at most limit bytes.
// Links out of the folder are refused.
func readFile(root *os.Root, path string, limit int64) ([]byte, error) {
	// Before it is opened: opening a pipe would wait for its writer.
	info, err := root.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, errors.New("it is a folder: name a file, such as an archive of it")
	case !info.Mode().IsRegular():
		return nil, errors.New("it is not a plain file")
	case info.Size() > limit:
		return nil, tooLarge(info.Size(), limit)
	}
	file, err := root.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, tooLarge(int64(len(content)), limit)
	}
	return content, nil
}

func tooLarge(size, limit int64) error {
	return fmt.Errorf("it has %d bytes, and there is room for %d", size, limit)
}
