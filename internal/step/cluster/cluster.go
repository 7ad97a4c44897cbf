// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Package cluster connects a step to the Kubernetes API. It is apart from package
// step, so that steps that need no cluster stay small.
package cluster

import (
	"fmt"

	tekton "github.com/tektoncd/pipeline/pkg/client/clientset/versioned"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	countersign "github.com/countersign-dev/countersign/pkg/client/clientset/versioned"
)

// Clients are the clients of the Kubernetes API.
type Clients struct {
	Kubernetes  kubernetes.Interface
	Tekton      tekton.Interface
	Countersign countersign.Interface
}

// Connect connects with the pod's ServiceAccount, or with the kubeconfig that
// KUBECONFIG or $HOME name.
func Connect() (*Clients, error) {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	config.UserAgent = "countersign-step"
	c := &Clients{}
	if c.Kubernetes, err = kubernetes.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	if c.Tekton, err = tekton.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	if c.Countersign, err = countersign.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("connect to the cluster: %w", err)
	}
	return c, nil
}
