// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"

	tekton "github.com/tektoncd/pipeline/pkg/client/clientset/versioned"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	countersign "github.com/countersign-dev/countersign/pkg/client/clientset/versioned"
)

// Connect reaches the cluster that the flags and the kubeconfig name. Nothing
// is sent before the first request.
func Connect(flags Flags) (*Server, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = flags.Kubeconfig
	config := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{
		CurrentContext: flags.Context,
	})
	rest, err := config.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("%w: name one with --kubeconfig and --context", err)
	}
	rest.UserAgent = "tkn-change"
	server := &Server{Namespace: flags.Namespace}
	if server.Namespace == "" {
		if server.Namespace, _, err = config.Namespace(); err != nil {
			return nil, fmt.Errorf("choosing a namespace: %w", err)
		}
	}
	if server.Changes, err = countersign.NewForConfig(rest); err != nil {
		return nil, err
	}
	if server.Kube, err = kubernetes.NewForConfig(rest); err != nil {
		return nil, err
	}
	if server.Tekton, err = tekton.NewForConfig(rest); err != nil {
		return nil, err
	}
	return server, nil
}
