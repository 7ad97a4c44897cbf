// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package assess

import (
	"context"
	"io"
	"time"

	"github.com/spf13/pflag"

	"github.com/countersign-dev/countersign/internal/step"
	"github.com/countersign-dev/countersign/internal/step/cluster"
	"github.com/countersign-dev/countersign/internal/step/credential"
	"github.com/countersign-dev/countersign/pkg/forge"
)

// Secrets are the optional workspaces with credentials.
type Secrets struct {
	Forge, Locker, Registry step.Workspace
}

// InventoryFlags adds the flags about the inventory and the target.
func (p *Params) InventoryFlags(flags *pflag.FlagSet) {
	flags.StringVar(&p.InventoryURL, "inventory-url", "", "git URL of the inventory: https://…, or file:///… for a local repository")
	flags.StringVar(&p.TargetEnvironment, "target-environment", "prod", "environment to deploy to, which is also the inventory's branch")
	flags.StringVar(&p.SourceEnvironment, "source-environment", "master", "environment that entries are promoted from; told in the log")
	flags.StringVar(&p.Region, "region", "", "region of the environment; empty if it has only one")
	flags.StringVar(&p.ForceRedeploy, "force-redeploy", "false", "deploy all entries, changed or not")
}

// PromotionFlags adds the flags about the fields of a change.
func (p *Params) PromotionFlags(flags *pflag.FlagSet) {
	flags.StringVar(&p.EnvironmentPurpose, "target-environment-purpose", "production", "production or pre_prod")
	flags.StringVar(&p.EnvironmentDetail, "target-environment-detail", "", "what the environment is, in words")
	flags.StringVar(&p.ChangeRequestDuration, "change-request-duration", "30", "minutes that the change is planned to take")
	flags.StringVar(&p.OutageDuration, "outage-duration", "0 00:00:00", `planned outage as "d HH:mm:ss", or none`)
}

// RuleFlags say where the configuration repository's rules for evidence are.
func (p *Params) RuleFlags(flags *pflag.FlagSet) {
	flags.StringVar(&p.ConfigURL, "config-url", "", "git URL of the configuration repository, with .pipeline-config.yaml")
	flags.StringVar(&p.ConfigRevision, "config-revision", "main", "its branch")
	flags.StringVar(&p.EvidenceChecksConfigPath, "evidence-checks-config-path", "", "checks file in the configuration repository; empty to look up <region>.<target>.validation.json, <target>.validation.json, validation.json")
	flags.StringVar(&p.PolicyPath, "policy-path", "", "file or folder in the configuration repository with a policy in Rego, which decides in place of the checks file; empty for none")
}

// ConfigFlags adds the flags about the configuration repository and the stages.
func (p *Params) ConfigFlags(flags *pflag.FlagSet) {
	p.RuleFlags(flags)
	flags.StringVar(&p.ComplianceProfilePath, "compliance-profile-path", "", "file in the configuration repository to attach as Compliance Profile")
	flags.StringVar(&p.DeployTask, "deploy-task", RunStage, "Task that deploys; run-stage runs the script of the stage file")
	flags.StringVar(&p.AcceptanceTestTask, "acceptance-test-task", RunStage, "Task that tests what was deployed")
	flags.StringVar(&p.RollbackTask, "rollback-task", RunStage, "Task that rolls back")
	flags.StringVar(&p.RollbackEnabled, "rollback-enabled", "0", "whether the run rolls back when deployment or acceptance test fail")
}

// RunFlags adds the flags about the run, the record and where files go.
func (p *Params) RunFlags(flags *pflag.FlagSet) {
	flags.StringVar(&p.BundleRepository, "bundle-repository", "", "OCI repository for the files of changes, as registry/repository")
	flags.StringVar((*string)(&p.Run.UID), "pipeline-run-uid", "", "UID of the PipelineRun")
	flags.StringVar(&p.Run.Name, "pipeline-run-name", "", "name of the PipelineRun")
	flags.StringVar(&p.Namespace, "namespace", "", "namespace of the PipelineRun and of the change request")
}

// CommonFlags adds the flags of every step.
func (p *Params) CommonFlags(flags *pflag.FlagSet) {
	flags.StringVar(&p.WorkDir, "work-dir", "", "writable folder for clones; empty for the system's temporary one")
}

// Use reads the mounted Secrets.
func (s *Secrets) Use(p *Params) error {
	var forgeErr error
	p.GitAuth, forgeErr = credential.Git(s.Forge)
	return step.Join(forgeErr, step.UseLockerSecret(s.Locker), step.UseRegistrySecret(s.Registry))
}

// NewClients are the real edges. The cluster is connected to only where it is
// needed.
func NewClients(out io.Writer, needCluster bool) (*Clients, error) {
	c := &Clients{
		OpenForge: func(ctx context.Context, o forge.Options) (forge.Forge, error) { return forge.Open(ctx, o) },
		Now:       time.Now,
		Progress:  step.NewProgress(out, time.Now),
	}
	if !needCluster {
		return c, nil
	}
	var err error
	c.Cluster, err = cluster.Connect()
	return c, err
}
