#!/bin/sh
# Deploys every entry of the delta as a Deployment and a Service of the entry's
# name, by digest, and takes away what left the inventory. The change request's
# id goes onto what it deploys, so that the cluster itself says which change
# brought it.
set -eu
. "$CONFIG_PATH/scripts/lib.sh"

echo "change request $CHANGE_REQUEST_ID to $TARGET_ENVIRONMENT (namespace $NAMESPACE)"

names "$DEPLOYMENT_DELTA_PATH" | while read -r name; do
	image=$(field "$name" provenance)
	version=$(field "$name" version)
	echo "deploying $name $version: $image"
	kubectl apply -n "$NAMESPACE" -f - <<YAML
apiVersion: apps/v1
kind: Deployment
metadata:
  name: $name
  labels: {app: "$name"}
  annotations: {countersign.dev/change-request: "$CHANGE_REQUEST_ID"}
spec:
  selector:
    matchLabels: {app: "$name"}
  strategy:
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  template:
    metadata:
      labels: {app: "$name", version: "$version"}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 2
      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        seccompProfile: {type: RuntimeDefault}
      containers:
      - name: app
        image: "$image"
        ports: [{containerPort: 8080}]
        readinessProbe:
          httpGet: {path: /version, port: 8080}
          periodSeconds: 1
        securityContext:
          allowPrivilegeEscalation: false
          capabilities: {drop: [ALL]}
          readOnlyRootFilesystem: true
---
apiVersion: v1
kind: Service
metadata:
  name: $name
  labels: {app: "$name"}
spec:
  selector: {app: "$name"}
  ports: [{port: 80, targetPort: 8080}]
YAML
	kubectl rollout status -n "$NAMESPACE" "deployment/$name" --timeout=120s
done

names "$DEPLOYMENT_DELTA_DELETIONS_PATH" | while read -r name; do
	echo "removing $name"
	kubectl delete -n "$NAMESPACE" --ignore-not-found "deployment/$name" "service/$name"
done
