// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/internal/step/cluster"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/pkg/bundle"
	"github.com/countersign-dev/countersign/pkg/forge"
	"github.com/countersign-dev/countersign/pkg/inventory"
	"github.com/countersign-dev/countersign/pkg/stage"
)

// NoChangeRequest is the value of parameter change-request-id that asks for a new
// change request, as an empty one does.
const NoChangeRequest = "notAvailable"

// RunStage is the Task that runs the user's scripts. Stages that another Task
// runs need no script.
const RunStage = "run-stage"

// Params are the parameters of a run as they were given. Those that name a
// value in words are checked when they are used.
type Params struct {
	InventoryURL       string
	TargetEnvironment  string
	SourceEnvironment  string
	Region             string
	EnvironmentPurpose string
	EnvironmentDetail  string
	ConfigURL          string
	ConfigRevision     string
	LockerURL          string
	BundleRepository   string

	ChangeRequestID       string
	ChangeRequestDuration string
	OutageDuration        string
	ForceRedeploy         string

	// Paths in the configuration repository; empty for none, and for the checks
	// file to be looked up.
	EvidenceChecksConfigPath string
	PolicyPath               string
	ComplianceProfilePath    string

	DeployTask         string
	AcceptanceTestTask string
	RollbackTask       string
	RollbackEnabled    string

	// Run is the PipelineRun, in Namespace.
	Run       v1alpha1.RunRef
	Namespace string

	// GitAuth is for the inventory, its forge and the configuration repository.
	GitAuth inventory.Auth
	// WorkDir is a writable folder; empty for the system's.
	WorkDir string
}

// Clients are the edges of the program.
type Clients struct {
	Cluster *cluster.Clients
	// OpenForge prepares to read the pull requests of a repository.
	OpenForge func(context.Context, forge.Options) (forge.Forge, error)
	// Bundle options for the registry.
	Bundle   []bundle.Option
	Now      func() time.Time
	Progress *step.Progress
}

// forge prepares to read the inventory's forge.
func (c *Clients) forge(ctx context.Context, p *Params) (forge.Forge, error) {
	return c.OpenForge(ctx, forge.Options{URL: p.InventoryURL, Token: p.GitAuth.Token, CA: p.GitAuth.CA})
}

// Target is where the run deploys to.
func (p *Params) Target() v1alpha1.Target {
	return v1alpha1.Target{Environment: p.TargetEnvironment, Region: p.Region}
}

// Supplied is the id of the change request that the run was given, and whether
// it was given one.
func (p *Params) Supplied() (string, bool) {
	id := strings.TrimSpace(p.ChangeRequestID)
	return id, id != "" && !strings.EqualFold(id, NoChangeRequest)
}

// force tells whether everything is to be deployed. Check has made sure that the
// parameter can be read.
func (p *Params) force() bool {
	on, _ := step.ParseBool("force-redeploy", p.ForceRedeploy)
	return on
}

func (p *Params) rollback() bool {
	on, _ := step.ParseBool("rollback-enabled", p.RollbackEnabled)
	return on
}

// checkRollback takes only what Pipeline cd takes: its finally compares the text,
// and any other spelling would switch the rollback off without a word.
func (p *Params) checkRollback() error {
	switch p.RollbackEnabled {
	case "1", "true", "0", "false", "":
		return nil
	}
	return step.Invalid(fmt.Sprintf("parameter rollback-enabled is %.80q, want 1 or 0", p.RollbackEnabled))
}

// tasks are the Tasks of the stages that the run may come to.
func (p *Params) tasks() []v1alpha1.Stage {
	stages := []v1alpha1.Stage{
		{Name: stage.Deploy, Task: p.DeployTask},
		{Name: stage.AcceptanceTest, Task: p.AcceptanceTestTask},
	}
	if p.rollback() {
		stages = append(stages, v1alpha1.Stage{Name: stage.Rollback, Task: p.RollbackTask})
	}
	return stages
}

// CheckInventory lists what is wrong with the parameters about the inventory.
func (p *Params) CheckInventory() error {
	var problems []string
	add := func(parameter string, err error) {
		if err != nil {
			problems = append(problems, fmt.Sprintf("parameter %s: %v", parameter, err))
		}
	}
	_, err := inventory.CheckURL(p.InventoryURL)
	add("inventory-url", err)
	add("target-environment", inventory.CheckBranch(p.TargetEnvironment))
	add("target-environment", checkLabel(p.TargetEnvironment))
	if p.Region != "" {
		add("region", checkLabel(p.Region))
	}
	_, err = step.ParseBool("force-redeploy", p.ForceRedeploy)
	return step.Join(step.Invalid(problems...), err)
}

// CheckRun lists what is wrong with the parameters about the run itself.
func (p *Params) CheckRun() error {
	var problems []string
	if p.Run.Name == "" || p.Run.UID == "" || p.Namespace == "" {
		problems = append(problems, "parameters pipeline-run-name, pipeline-run-uid and the namespace are needed: pass $(context.pipelineRun.name), $(context.pipelineRun.uid) and $(context.pipelineRun.namespace)")
	}
	if id, supplied := p.Supplied(); supplied {
		if faults := validation.IsDNS1123Label(id); len(faults) > 0 {
			problems = append(problems, fmt.Sprintf("parameter change-request-id is %.80q, which cannot be the name of a change request", id))
		}
	}
	return step.Invalid(problems...)
}

// CheckChange lists what is wrong with the parameters that a new change request
// needs besides.
func (p *Params) CheckChange() error {
	var problems []string
	if _, err := name.NewRepository(p.BundleRepository, name.StrictValidation); err != nil || strings.Contains(p.BundleRepository, "//") {
		problems = append(problems, fmt.Sprintf("parameter bundle-repository is %.80q, want registry/repository", p.BundleRepository))
	}
	if _, err := inventory.CheckURL(p.ConfigURL); err != nil {
		problems = append(problems, fmt.Sprintf("parameter config-url: %v", err))
	}
	if err := inventory.CheckBranch(p.ConfigRevision); err != nil {
		problems = append(problems, fmt.Sprintf("parameter config-revision: %v", err))
	}
	return step.Join(step.Invalid(problems...), p.checkRollback())
}

// CheckLocker lists what is wrong with the parameter about evidence.
func (p *Params) CheckLocker() error {
	if p.LockerURL == "" {
		return step.Invalid("parameter locker-url is empty, want s3://, gs:// or azblob://bucket?…, or file:///folder")
	}
	return nil
}

func checkLabel(value string) error {
	if len(validation.IsValidLabelValue(value)) > 0 {
		return fmt.Errorf("%.80q cannot be the value of a label: want at most 63 letters, digits, '-', '_' and '.'", value)
	}
	return nil
}

// Name is the name of the change request that a run opens for a target. It
// follows from the run, so that a run that is tried again finds what it made.
func Name(run v1alpha1.RunRef, target v1alpha1.Target) string {
	sum := sha256.Sum256([]byte(string(run.UID) + "/" + target.Environment + "/" + target.Region))
	encoded := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])
	return "chg-" + strings.ToLower(encoded[:10])
}
