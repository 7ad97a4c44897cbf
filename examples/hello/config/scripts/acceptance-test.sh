#!/bin/sh
# Asks every deployed entry which version it is, through its Service, and
# compares the answer with the inventory. The API server carries the question
# (it needs the right to get services/proxy), so that no HTTP client has to be in
# the image.
set -eu
. "$CONFIG_PATH/scripts/lib.sh"

names "$DEPLOYMENT_DELTA_PATH" | while read -r name; do
	want=$(field "$name" version)
	# A new Service takes a moment to have its endpoints.
	try=1
	until got=$(kubectl get --raw "/api/v1/namespaces/$NAMESPACE/services/$name:80/proxy/version") && [ "$got" = "$want" ]; do
		if [ "$try" -ge 15 ]; then
			echo "$name in $NAMESPACE answers \"${got:-nothing}\", want \"$want\"" >&2
			exit 1
		fi
		try=$((try + 1))
		sleep 1
	done
	echo "$name in $NAMESPACE answers $got: ok"
done
