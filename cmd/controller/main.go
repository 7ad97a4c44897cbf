// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command controller answers the custom tasks OpenChange and ApproveChange, and
// keeps the records of change requests and conclusions.
//
// Several replicas may run: they elect a leader for each reconciler. Probes are
// served on port 8080 (/health, /readiness), metrics on port 9090.
package main

import (
	"flag"

	"knative.dev/pkg/controller"
	"knative.dev/pkg/injection/sharedmain"
	"knative.dev/pkg/signals"

	"github.com/countersign-dev/countersign/internal/program"
	"github.com/countersign-dev/countersign/pkg/reconciler/approvechange"
	"github.com/countersign-dev/countersign/pkg/reconciler/changeconclusion"
	"github.com/countersign-dev/countersign/pkg/reconciler/changerequest"
	"github.com/countersign-dev/countersign/pkg/reconciler/openchange"
)

const (
	// People wait for what this controller writes, so it is not held back on its
	// side; the API server's own fairness protects the cluster.
	queriesPerSecond = 200
	burst            = 400
	// A pass may wait for a registry; others go on meanwhile.
	threads = 32
)

func main() {
	flag.IntVar(&controller.DefaultThreadsPerController, "threads-per-controller", threads, "passes of one reconciler at the same time")
	config := program.Start()
	if config.QPS == 0 {
		config.QPS = queriesPerSecond
	}
	if config.Burst == 0 {
		config.Burst = burst
	}
	sharedmain.MainWithConfig(signals.NewContext(), "controller", config,
		changerequest.NewController,
		changeconclusion.NewController,
		openchange.NewController,
		approvechange.NewController,
	)
}
