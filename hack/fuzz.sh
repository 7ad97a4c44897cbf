#!/usr/bin/env bash
# Copyright The Countersign Authors
# SPDX-License-Identifier: Apache-2.0

# Runs every fuzz test for the time given, such as 20s.
set -euo pipefail
cd "$(dirname "$0")/.."

fuzztime=$1
grep -rl --include='*_test.go' '^func Fuzz' pkg internal cmd | sort | while read -r file; do
  for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
    echo "== $target in $(dirname "$file")"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" -fuzzminimizetime 10x "./$(dirname "$file")"
  done
done
