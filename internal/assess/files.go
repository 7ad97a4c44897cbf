// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/bundle"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/readiness"
)

// Files that the steps of one thing each hand to each other in a folder, besides
// those that are in the bundle under the same names.
const (
	FileInventory = "inventory.json"
	FilePromotion = "promotion.json"
	FileReadiness = "readiness.json"
	folderGone    = "deleted"
)

// The permissions of what one step leaves for the next, whose container may run
// as another user.
const (
	fileMode   fs.FileMode = 0o644
	folderMode fs.FileMode = 0o755
)

// inventoryFile is inventory.json. The entries themselves lie beside it.
type inventoryFile struct {
	Range   v1alpha1.InventoryRange `json:"range"`
	Changed []string                `json:"changed"`
	Deleted []string                `json:"deleted"`
	Entries []string                `json:"entries"`
	Log     []inventory.Commit      `json:"log"`
	LogCut  bool                    `json:"logCut,omitempty"`
}

// Save writes the inventory's facts into a folder: inventory.json, the lists
// delta.json, deletions.json and entries.json, the entries in inventory/, and
// deleted ones as they were last in deleted/.
func (i *Inventory) Save(dir string) error {
	for name, value := range map[string]any{
		FileInventory: inventoryFile{Range: i.Range, Changed: list(i.Changed), Deleted: list(i.Deleted), Entries: list(i.Names()), Log: i.Log, LogCut: i.LogCut},
		FileDelta:     list(i.Changed),
		FileDeletions: list(i.Deleted),
		FileEntries:   list(i.Names()),
	} {
		if err := SaveJSON(dir, name, value); err != nil {
			return err
		}
	}
	return errors.Join(saveEntries(dir, FolderInventory, i.Entries), saveEntries(dir, folderGone, i.Gone))
}

func saveEntries(dir, folder string, entries []inventory.Entry) error {
	at := filepath.Join(dir, folder)
	if err := os.MkdirAll(at, folderMode); err != nil {
		return fmt.Errorf("write %s: %w", folder, err)
	}
	root, err := os.OpenRoot(at)
	if err != nil {
		return fmt.Errorf("write %s: %w", folder, err)
	}
	defer root.Close()
	for _, e := range entries {
		if err := root.MkdirAll(path.Dir(e.Name), folderMode); err != nil {
			return fmt.Errorf("write entry %q: %w", e.Name, err)
		}
		if err := root.WriteFile(e.Name, e.Raw, fileMode); err != nil {
			return fmt.Errorf("write entry %q: %w", e.Name, err)
		}
	}
	return nil
}

// LoadInventory reads what Save wrote.
func LoadInventory(dir string) (*Inventory, error) {
	var f inventoryFile
	if err := LoadJSON(dir, FileInventory, &f); err != nil {
		return nil, err
	}
	entries, err := loadEntries(filepath.Join(dir, FolderInventory))
	if err != nil {
		return nil, err
	}
	gone, err := loadEntries(filepath.Join(dir, folderGone))
	if err != nil {
		return nil, err
	}
	return &Inventory{Range: f.Range, Changed: f.Changed, Deleted: f.Deleted, Entries: entries, Gone: gone, Log: f.Log, LogCut: f.LogCut}, nil
}

func loadEntries(dir string) ([]inventory.Entry, error) {
	members, err := bundle.ReadFolder(dir, bundle.DefaultLimits)
	if err != nil {
		return nil, fmt.Errorf("%w: run step inventory first", err)
	}
	entries := make([]inventory.Entry, 0, len(members))
	for _, m := range members {
		if m.Link != "" {
			return nil, step.Invalid(fmt.Sprintf("entry %q in %s is a symbolic link", m.Path, dir))
		}
		// Problems were told when the entry was read from the inventory.
		e, _ := inventory.ParseEntry(m.Path, m.Content)
		entries = append(entries, e)
	}
	return entries, nil
}

// LoadFacts reads what the steps inventory, promotion, readiness and sbom left in
// a folder.
func LoadFacts(dir string) (*Facts, error) {
	f := &Facts{Promotion: &Promotion{}}
	var err error
	if f.Inventory, err = LoadInventory(dir); err != nil {
		return nil, err
	}
	if err := errors.Join(LoadJSON(dir, FilePromotion, f.Promotion), LoadJSON(dir, FileReadiness, &f.Verdict)); err != nil {
		return nil, err
	}
	if f.Summary, err = LoadFile(dir, FileDeltaSummary); err != nil {
		return nil, err
	}
	if f.SummaryText, err = LoadFile(dir, FileDeltaText); err != nil {
		return nil, err
	}
	var verified verifiedFile
	if err := LoadJSON(dir, FileVerified, &verified); err != nil {
		return nil, err
	}
	f.Verified.Evidence = verified.Evidence
	f.BOM, err = LoadFile(dir, FileDeploymentBOM)
	return f, err
}

// SaveAnswer writes a verdict, its summary as JSON and, beside it, as Markdown,
// and what the run found out itself.
func SaveAnswer(dir, summary string, a *Answer, v Verified) error {
	return errors.Join(SaveJSON(dir, FileReadiness, a.Verdict), SaveFile(dir, summary, a.Summary),
		SaveFile(dir, strings.TrimSuffix(summary, path.Ext(summary))+".md", a.Text),
		SaveJSON(dir, FileVerified, verifiedFile{Evidence: v.Evidence}))
}

// LoadVerdict reads the verdict that step readiness left.
func LoadVerdict(dir string) (readiness.Verdict, error) {
	var v readiness.Verdict
	return v, LoadJSON(dir, FileReadiness, &v)
}

// SaveFile writes a file into the folder, which is made if there is none.
func SaveFile(dir, name string, content []byte) error {
	if err := os.MkdirAll(dir, folderMode); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), content, fileMode); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// SaveJSON writes a value as a file of the folder.
func SaveJSON(dir, name string, value any) error {
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return SaveFile(dir, name, append(content, '\n'))
}

// LoadJSON reads what SaveJSON wrote.
func LoadJSON(dir, name string, into any) error {
	content, err := LoadFile(dir, name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("read %s: %w", filepath.Join(dir, name), err)
	}
	return nil
}

// LoadFile reads a file of the folder.
func LoadFile(dir, name string) ([]byte, error) {
	content, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, step.Invalid(fmt.Sprintf("there is no %s in folder %s: run the step that writes it first", name, dir))
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return content, nil
}
