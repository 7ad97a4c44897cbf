// Copyright The Countersign Authors
// SPDX-License-Identifier: Apache-2.0

// Command webhook fills in, stamps and checks Countersign's objects as they are
// stored. It makes and renews its own certificate and keeps it in the Secret that
// WEBHOOK_SECRET_NAME names.
//
// Probes are served on port 8080 (/health, /readiness), metrics on port 9090.
package main

import (
	"context"
	"os"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"knative.dev/pkg/configmap"
	"knative.dev/pkg/controller"
	"knative.dev/pkg/injection"
	"knative.dev/pkg/injection/sharedmain"
	"knative.dev/pkg/signals"
	"knative.dev/pkg/system"
	"knative.dev/pkg/webhook"
	"knative.dev/pkg/webhook/certificates"
	"knative.dev/pkg/webhook/resourcesemantics"
	"knative.dev/pkg/webhook/resourcesemantics/defaulting"
	"knative.dev/pkg/webhook/resourcesemantics/validation"

	"github.com/countersign-dev/countersign/internal/program"
	"github.com/countersign-dev/countersign/pkg/apis/countersign/v1alpha1"
)

const (
	// Names of the webhook configurations in config/.
	defaultingName = "webhook.countersign.dev"
	validationName = "validation.webhook.countersign.dev"
)

var kinds = map[schema.GroupVersionKind]resourcesemantics.GenericCRD{
	v1alpha1.SchemeGroupVersion.WithKind("ChangeRequest"):    &v1alpha1.ChangeRequest{},
	v1alpha1.SchemeGroupVersion.WithKind("ChangeApproval"):   &v1alpha1.ChangeApproval{},
	v1alpha1.SchemeGroupVersion.WithKind("ChangeConclusion"): &v1alpha1.ChangeConclusion{},
	v1alpha1.SchemeGroupVersion.WithKind("ChangePolicy"):     &v1alpha1.ChangePolicy{},
}

// callbacks check what the types cannot: deletions.
var callbacks = map[schema.GroupVersionKind]validation.Callback{
	v1alpha1.SchemeGroupVersion.WithKind("ChangeRequest"): validation.NewCallback(v1alpha1.ValidateChangeRequestDeletion, webhook.Delete),
}

// unchanged is the context as it comes: validation needs nothing more.
func unchanged(ctx context.Context) context.Context { return ctx }

// Fields that the schema does not know never reach the webhook, so it does not look
// for them; an object stored by an earlier version must stay deletable.
const disallowUnknownFields = false

func newDefaulting(ctx context.Context, _ configmap.Watcher) *controller.Impl {
	return defaulting.NewAdmissionController(ctx, defaultingName, "/defaulting", kinds, unchanged, disallowUnknownFields)
}

func newValidation(ctx context.Context, _ configmap.Watcher) *controller.Impl {
	return validation.NewAdmissionController(ctx, validationName, "/validation", kinds, unchanged, disallowUnknownFields, callbacks)
}

func main() {
	config := program.Start()

	// What it watches lies in its own namespace.
	ctx := injection.WithNamespaceScope(signals.NewContext(), system.Namespace())
	ctx = webhook.WithOptions(ctx, webhook.Options{
		ServiceName: environment("WEBHOOK_SERVICE_NAME", "countersign-webhook"),
		SecretName:  environment("WEBHOOK_SECRET_NAME", "countersign-webhook-certs"),
		Port:        webhook.PortFromEnv(8443),
	})
	sharedmain.MainWithConfig(ctx, "webhook", config,
		certificates.NewController,
		newDefaulting,
		newValidation,
	)
}

func environment(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
