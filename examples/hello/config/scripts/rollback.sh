#!/bin/sh
# Goes back to what ran before. An entry that was never deployed before is
# taken away.
set -eu
. "$CONFIG_PATH/scripts/lib.sh"

names "$DEPLOYMENT_DELTA_PATH" | while read -r name; do
	revisions=$(kubectl get replicasets -n "$NAMESPACE" -l "app=$name" -o name | wc -l)
	if [ "$revisions" -gt 1 ]; then
		echo "rolling $name back"
		kubectl rollout undo -n "$NAMESPACE" "deployment/$name"
		kubectl rollout status -n "$NAMESPACE" "deployment/$name" --timeout=120s
	else
		echo "removing $name: there was none before"
		kubectl delete -n "$NAMESPACE" --ignore-not-found "deployment/$name" "service/$name"
	fi
done
