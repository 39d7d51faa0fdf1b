#!/bin/bash
# guard_check.sh BUILD_FOLDER: instruction_check.sh with made-up baselines. A guard that cannot fail
# guards nothing.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

machine=$("$build/tests/counted_steps" --machine 2>&1) || { echo "skipped: $machine"; exit 77; }
command -v valgrind >/dev/null || { echo "skipped: valgrind is not installed"; exit 77; }

# expect WHAT STATUS WORDS: of lstm_predict against the rows on stdin
expect() {
    local code
    cat >"$folder/baseline.txt"
    received=$(bash tests/guard/instruction_check.sh lstm_predict "$build" "$folder/baseline.txt" 2>&1)
    code=$?
    [[ $code == "$2" && $received == *"$3"* ]] && return
    echo "$1: expected status $2 and '$3', received $code and '$received'"
    failed=1
}

expect 'no row' 77 "has no row for $machine" <<<"lstm_predict 1 another machine"
expect 'one instruction was recorded' 1 '1 instructions were recorded, now it takes' \
    <<<"lstm_predict 1 $machine"
now=$(sed -n 's/.*takes \([0-9]*\).*/\1/p' <<<"$received")
[[ -n $now ]] || { echo "no count in '$received'"; exit 1; }
expect '6 % more' 1 'bash tests/guard/instruction_check.sh accept' \
    <<<"lstm_predict $((now * 100 / 106)) $machine"
expect '4 % more' 0 '+4.0 %' <<<"lstm_predict $((now * 100 / 104)) $machine"
expect '10 % less' 0 'so that it stays so' <<<"lstm_predict $((now * 100 / 90)) $machine"
exit $failed
