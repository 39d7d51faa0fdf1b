#!/bin/bash
# docs/performance.md belongs to bench/results/: bench/write_performance.py left on its last line the
# checksums of the results and itself, and of the page and its pictures.
#
#     check_performance.sh [TREE]      default: this source tree
set -euo pipefail
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/..}"
export LC_ALL=C
page=docs/performance.md
again='write it anew: python3 bench/write_performance.py'

complain() { echo "$page: $*; $again"; exit 1; }

sum() { sha256sum | cut -d ' ' -f 1; }

[[ -f $page ]] || complain "is missing"
read -r _ _ results _ written _ < <(tail -n 1 "$page") || true
[[ ${results:-} =~ ^[0-9a-f]{64}$ && ${written:-} =~ ^[0-9a-f]{64}$ ]] ||
    complain "has no checksums on its last line"
[[ $results == $(cat bench/results/*.json bench/write_performance.py | sum) ]] ||
    complain "does not belong to bench/results: results or the script have changed since"
shopt -s nullglob
pictures=(docs/roofline-*.svg)
[[ $written == $({ head -n -1 "$page"; [[ ${#pictures[@]} -eq 0 ]] || cat "${pictures[@]}"; } | sum) ]] ||
    complain "was changed by hand, or one of its pictures was"
