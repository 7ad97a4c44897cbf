#!/bin/sh
# Asks every deployed entry which version it is, through its Service, and
# compares the answer with the inventory.
set -eu
. "$CONFIG_PATH/scripts/lib.sh"

names "$DEPLOYMENT_DELTA_PATH" | while read -r name; do
	want=$(field "$name" version)
	url="http://$name.$NAMESPACE.svc/version"
	# A new Service takes a moment to reach every node.
	try=1
	until got=$(wget -q -T 2 -O - "$url") && [ "$got" = "$want" ]; do
		if [ "$try" -ge 15 ]; then
			echo "$url answers \"${got:-nothing}\", want \"$want\"" >&2
			exit 1
		fi
		try=$((try + 1))
		sleep 1
	done
	echo "$url answers $got: ok"
done
