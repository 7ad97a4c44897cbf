// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/countersign-dev/countersign/internal/plaintext"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
	"github.com/countersign-dev/countersign/test/fixture"
)

const (
	// name is the organisation, the project, its namespace and its bucket.
	name = "countersign-demo"

	pollInterval  = 250 * time.Millisecond
	frameInterval = 100 * time.Millisecond
	// runDeadline is longer than any run: a gate waits for ten minutes at most.
	runDeadline = 35 * time.Minute
)

// demo is one telling of a story.
type demo struct {
	began    time.Time
	external bool
	out      *screen

	env          *fixture.Environment
	installation *fixture.Installation
	forge        *fixture.Forge
	tools        string // the image that deploys
	project      *fixture.Project
	run          *fixture.Run

	mu    sync.Mutex
	notes []string
}

// tell tells a story from beginning to end.
func (d *demo) tell(ctx context.Context, scenarioName string) error {
	s, err := findScenario(scenarioName)
	if err != nil {
		return err
	}
	if err := d.prepare(ctx, s); err != nil {
		return err
	}
	why, err := d.openEnds(ctx, s)
	if err != nil {
		return err
	}
	if why != "" {
		d.out.say("%s: first, that.", why)
		for _, step := range []func() error{
			func() error { return d.open(ctx, scenarios[0]) },
			func() error { return d.play(ctx, scenarios[0]) },
			func() error { return d.open(ctx, s) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
	}
	if err := d.play(ctx, s); err != nil {
		return err
	}
	d.out.say("\nWhat to try next\n\n%s", listScenarios())
	d.out.say("  %-37s every change of the demo\n  %-37s take everything away again\n\n"+
		"tkn with the change plugin, and kubectl, find the cluster after:\n\n  %s", "tkn change list -n "+d.project.Namespace, "make down", d.shell())
	return nil
}

// prepare makes sure of all that a run of a scenario needs.
func (d *demo) prepare(ctx context.Context, s scenario) error {
	var err error
	if d.env, err = fixture.Load(); err != nil {
		if d.external {
			return advise(err, "on a cluster of your own, the demo needs these variables:\n\n%s", fixture.Settings())
		}
		return advise(err, `start it with "make demo", which sets these; or: eval "$(make -s cluster-env)"`)
	}
	if d.external {
		resolved, _, err := d.env.Resolve(ctx)
		if err != nil {
			return advise(err, "KO_DOCKER_REPO is %q: can you push there?", os.Getenv("KO_DOCKER_REPO"))
		}
		d.out.say("On this cluster, the demo makes the namespaces %s, %s and %s-app, and outside of these only:\n  %s\n  ChangePolicy/%s",
			fixture.SystemNamespace, name, name, strings.Join(resolved.Outside, "\n  "), name)
	}
	step := time.Now()
	if d.installation, err = d.env.Install(ctx, d.step); err != nil {
		return advise(err, "kubectl -n %s get pods shows how Countersign itself stands; make demo can be repeated at any time", fixture.SystemNamespace)
	}
	d.out.say("Countersign is installed (%.0fs)", time.Since(step).Seconds())

	step = time.Now()
	d.step("building the tkn change plugin")
	if err := d.env.BuildPlugin(ctx); err != nil {
		return err
	}
	d.step("preparing forge, locker and namespaces")
	if d.forge, err = d.env.NewForge(ctx, name); err != nil {
		return advise(err, "the demo needs the forge %s and a token that may create organisations there", d.env.Gitea)
	}
	if d.tools, err = d.env.EnsureDeployImage(ctx); err != nil {
		return err
	}
	if err := d.open(ctx, s); err != nil {
		return err
	}
	d.out.say("Forge %s/%s, locker s3://%s and namespace %s are ready (%.0fs)",
		d.env.Gitea, name, name, d.project.Namespace, time.Since(step).Seconds())
	return nil
}

// open makes sure of the project, with the policy that a scenario wants.
func (d *demo) open(ctx context.Context, s scenario) error {
	noPrefix := ""
	var err error
	d.project, err = d.env.NewProject(ctx, d.forge, d.installation, fixture.ProjectOptions{
		Name: name, RepositoryPrefix: &noPrefix, Manifests: []string{fmt.Sprintf(ownTask, d.tools)}, Demands: s.demands,
	})
	return advise(err, "make demo can be repeated; it keeps what is there already")
}

// step shows what is being done until it is done.
func (d *demo) step(what string) {
	d.out.draw([]string{"  " + what + " …"})
}

// play promotes what the scenario deploys, starts the run, and shows it.
func (d *demo) play(ctx context.Context, s scenario) error {
	d.out.say("\n%s: %s", d.out.paint(bold, s.name), s.story)
	if !s.nothingNew {
		d.step("releasing and promoting a new version")
		version, err := d.nextVersion()
		if err != nil {
			return err
		}
		promoted, err := d.promote(ctx, s, version)
		if err != nil {
			return advise(err, "make demo can be repeated; the forge is at %s, organisation %s", d.env.Gitea, name)
		}
		d.out.say("hello %s was released and promoted: %s", version, promoted.URL)
	}
	d.out.say("\n%s\n", d.out.paint(dim, fixture.Wrap(d.project.StartCommand(s.params))))
	run, err := d.project.Start(ctx, s.params)
	if err != nil {
		return advise(err, "the command above is what was tried")
	}
	d.run = run
	d.out.say("%s started, %.0fs after the demo began", run.Name, time.Since(d.began).Seconds())

	finished, err := d.watch(ctx, s)
	if err != nil {
		return err
	}
	return d.conclude(ctx, s, finished)
}

// promote releases a version and promotes it, as the scenario has it.
func (d *demo) promote(ctx context.Context, s scenario, version string) (*fixture.Promoted, error) {
	body := fixture.GoodBody()
	if s.body != nil {
		s.body(&body)
	}
	image, err := d.project.Image(ctx, version)
	if err != nil {
		return nil, err
	}
	entry, err := d.project.ReleaseImage(ctx, "hello", version, image, s.outcomes)
	if err != nil {
		return nil, err
	}
	if s.sign != nil {
		if err := s.sign(ctx, d.project.Signer, image, entry); err != nil {
			return nil, err
		}
	}
	return d.project.PromoteWith(ctx, fixture.Promotion{
		Body: body.String(), Files: map[string]fixture.File{entry.Name: entry.File()}, Approved: s.approved,
	})
}

// watch shows the run until it ends, or until it waits for a person who is not
// there: then it is false.
func (d *demo) watch(ctx context.Context, s scenario) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, runDeadline)
	defer cancel()
	began := time.Now()
	side := make(chan error, 2)
	if s.meanwhile != nil {
		go func() { side <- s.meanwhile(ctx, d, d.run) }()
	}
	var last *picture
	var pictureAt time.Time
	decided := false
	for {
		now := time.Now()
		if now.Sub(pictureAt) >= pollInterval {
			fresh, err := look(ctx, d.env, d.run, now)
			if err != nil {
				return false, advise(fmt.Errorf("watching %s: %w", d.run.Name, err), "the run goes on; tkn pipelinerun describe %s -n %s shows it", d.run.Name, d.run.Namespace)
			}
			if !d.out.live {
				var before []stage
				if last != nil {
					before = last.stages
				}
				for _, line := range news(before, fresh.stages, now.Sub(began)) {
					d.out.say("%s", line)
				}
			}
			last, pictureAt = fresh, now
		}
		if change := last.waitsFor(); change != "" && !decided {
			decided = true
			switch {
			case s.atGate != nil:
				go func() { side <- s.atGate(ctx, d, change) }()
			case len(s.params["approval-timeout"]) > 0:
				d.note("nobody will decide; the gate gives up after %s", s.params["approval-timeout"])
			default:
				d.note("%s", d.askFor(change))
				if !term.IsTerminal(int(os.Stdin.Fd())) {
					d.showNotes()
					return false, nil
				}
			}
		}
		d.showNotes()
		d.out.draw(last.lines(d.out, now))
		if last.run.IsDone() {
			d.out.keep()
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case err := <-side:
			if err != nil {
				return false, err
			}
		case <-time.After(frameInterval):
		}
	}
}

// waitsFor is the change request that a person has to decide on, empty if none.
func (p *picture) waitsFor() string {
	for _, s := range p.stages {
		if s.state == underWay && waits(s.reason) && len(p.changes) > 0 {
			return p.changes[0].Name
		}
	}
	return ""
}

func (d *demo) askFor(change string) string {
	return fmt.Sprintf("\nThe gate waits, holding no pod. In another terminal, decide:\n\n"+
		"  %[3]s\n"+
		"  tkn change describe %[1]s -n %[2]s\n"+
		"  tkn change approve %[1]s -n %[2]s -m 'The failures are known.'\n"+
		"  tkn change reject %[1]s -n %[2]s -m 'Not with failing tests.'", change, d.project.Namespace, d.shell())
}

// shell is what a shell needs to reach the cluster as the demo does.
func (d *demo) shell() string {
	if d.external {
		return fmt.Sprintf("export PATH=%s:\"$PATH\"", fixture.Quote([]string{d.env.PluginFolder()}))
	}
	return `eval "$(make -s cluster-env)"`
}

// note says something from another goroutine.
func (d *demo) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notes = append(d.notes, fmt.Sprintf(format, args...))
}

func (d *demo) showNotes() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, note := range d.notes {
		d.out.say("%s", note)
	}
	d.notes = nil
}

// conclude prints how the run ended, and its change request.
func (d *demo) conclude(ctx context.Context, s scenario, finished bool) error {
	current, err := d.run.Get(ctx)
	if err != nil {
		return err
	}
	change, err := d.run.Change(ctx)
	if err != nil {
		return err
	}
	if finished {
		took := ""
		if current.Status.CompletionTime != nil {
			took = fmt.Sprintf(" after %.0fs", current.Status.CompletionTime.Sub(current.CreationTimestamp.Time).Seconds())
		}
		d.out.say("\n%s ended%s. %s", d.run.Name, took, fixture.Why(current))
	}
	d.out.say("Expected: %s", s.expect)
	if change == nil {
		d.out.say("The run has no change request.")
	} else {
		d.out.say("")
		if err := d.tknOut(ctx, "change", "describe", change.Name, "--namespace", d.project.Namespace); err != nil {
			return err
		}
	}
	if s.log != "" {
		log, err := d.run.Logs(ctx, s.log)
		if err != nil {
			return err
		}
		d.out.say("\nThe log of %s\n\n%s", s.log, indent(plaintext.Text(log)))
	}
	if red := current.Status.GetCondition("Succeeded").IsFalse(); finished && red != s.refused && !decidedByPerson(change) {
		return advise(fmt.Errorf("the run ended otherwise than it should in this story: %s", fixture.Why(current)),
			"tkn pipelinerun logs %[1]s -n %[2]s shows what every task said; kubectl -n %[3]s logs deployment/countersign-controller what the controller did",
			d.run.Name, d.project.Namespace, fixture.SystemNamespace)
	}
	return nil
}

// decidedByPerson is true if the end of the story was somebody's choice.
func decidedByPerson(change *v1alpha1.ChangeRequest) bool {
	return change != nil && len(change.Status.Approval.Decisions) > 0
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}

// nextVersion is the one after what the target's branch has.
func (d *demo) nextVersion() (string, error) {
	entry, err := d.project.Inventory.Entry(d.project.Inventory.Head(fixture.Target), "hello")
	if errors.Is(err, fixture.ErrNoFile) {
		return "1.0.0", nil
	}
	if err != nil {
		return "", err
	}
	var major, minor, patch int
	if _, err := fmt.Sscanf(entry.Version, "%d.%d.%d", &major, &minor, &patch); err != nil {
		return "", advise(fmt.Errorf("the inventory has hello at version %q: %w", entry.Version, err), "make down, then make demo")
	}
	return fmt.Sprintf("%d.%d.0", major, minor+1), nil
}

// tkn runs tkn and shows its command line and output as notes.
func (d *demo) tkn(ctx context.Context, args ...string) error {
	d.note("$ %s", fixture.Quote(append([]string{"tkn"}, args...)))
	out, err := exec.CommandContext(ctx, "tkn", args...).CombinedOutput()
	if text := strings.TrimSpace(string(out)); text != "" {
		d.note("%s", indent(text))
	}
	if err != nil {
		return fmt.Errorf("tkn %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// tknOut runs tkn on this terminal.
func (d *demo) tknOut(ctx context.Context, args ...string) error {
	d.out.clear()
	cmd := exec.CommandContext(ctx, "tkn", args...)
	cmd.Stdout, cmd.Stderr = d.out.file, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("tkn %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// remove takes away what the demo made.
func (d *demo) remove(ctx context.Context) error {
	var err error
	if d.env, err = fixture.Load(); err != nil {
		return advise(err, "removing needs the same variables as the demo:\n\n%s", fixture.Settings())
	}
	d.step("removing Countersign and what the demo made")
	problems := []error{d.env.Uninstall(ctx), d.env.RemoveProject(ctx, name), d.env.RemoveForge(ctx, name), d.env.WaitGone(ctx, name)}
	if err := errors.Join(problems...); err != nil {
		return advise(err, "make down can be repeated")
	}
	cached, err := filepath.Glob(filepath.Join(d.env.Cache, "install-*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range cached {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	d.out.say("removed")
	return nil
}
