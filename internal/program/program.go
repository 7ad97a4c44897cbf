// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package program is how the programs that run in a cluster start.
package program

import (
	"flag"
	"fmt"
	"log"
	"os"

	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"knative.dev/pkg/environment"

	"github.com/countersign-dev/countersign/internal/version"
)

// Start reads the flags, those that the caller has defined included, and connects
// to the cluster. With -version it prints the version and ends the program.
func Start() *rest.Config {
	showVersion := flag.Bool("version", false, "print the version and exit")
	cluster := new(environment.ClientConfig)
	cluster.InitFlags(flag.CommandLine)
	klog.InitFlags(flag.CommandLine)
	flag.Parse()
	if *showVersion {
		fmt.Println(version.String())
		os.Exit(0)
	}
	config, err := cluster.GetRESTConfig()
	if err != nil {
		log.Fatalf("find the cluster: %v", err)
	}
	return config
}
