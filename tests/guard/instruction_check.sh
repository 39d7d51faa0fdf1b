#!/bin/bash
# instruction_check.sh WORKLOAD BUILD_FOLDER [BASELINE]: counts the instructions of a small piece of work
# (counted_steps.c) under callgrind and holds them against the baseline. More than LIMIT percent above it
# is a failure.
# instruction_check.sh accept BUILD_FOLDER [BASELINE]: what is counted now becomes the baseline.
#
# WORKLOAD is one of counted_steps --list, or predict_start: the whole process `fathom predict` with one
# image for a small multilayer perceptron, the dynamic linker's work included.
#
# Counts depend on the compiler, the kind of build, the C library and the instruction set: each row of the
# baseline names its own. Ends with 77 (skipped) and the reason where no row fits, or callgrind is absent.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
LIMIT=5
what=$1 build=$2 baseline=${3:-tests/guard/instructions.txt}
steps=$build/tests/counted_steps

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

skip() { echo "$what: skipped: $*"; exit 77; }

command -v valgrind >/dev/null || skip "valgrind is not installed"
machine=$("$steps" --machine 2>&1) || skip "$machine"

# counted OPTION... -- COMMAND...: the number that callgrind collected; what was said if it failed
counted() {
    local options=() said
    while [[ $1 != -- ]]; do options+=("$1"); shift; done
    shift
    said=$(LC_ALL=C OMP_NUM_THREADS=1 GOMP_SPINCOUNT=1 valgrind --tool=callgrind \
           --callgrind-out-file=/dev/null "${options[@]}" "$@" 2>&1) || { echo "$said" >&2; return 1; }
    sed -n 's/.*Collected *: *\([1-9][0-9]*\).*/\1/p' <<<"$said" | grep . ||
        { echo "callgrind counted nothing: $said" >&2; return 1; }
}

# predict_start FOLDER: the folder is empty.
predict_start() {
    # An IDX file: bytes, three dimensions, one image of 28 by 28.
    { printf '\0\0\10\3\0\0\0\1\0\0\0\34\0\0\0\34'; head -c 784 /dev/zero; } >"$1/image.idx"
    "$build/fathom" train recipes/strokes-mlp.yaml --set data.train_size=100 --set data.test_size=10 \
        --epochs 1 --quiet --threads 1 --out "$1/model.safetensors" >/dev/null
    counted -- "$build/fathom" predict "$1/model.safetensors" "$1/image.idx" --threads 1
}

count() {
    if [[ $1 == predict_start ]]; then
        predict_start "$folder"
    else
        counted --toggle-collect=counted_part -- "$steps" "$1"
    fi
}

accept() {
    local workload now rows=$folder/rows
    for workload in $("$steps" --list) predict_start; do
        now=$(count "$workload")
        printf '%-16s %12d  %s\n' "$workload" "$now" "$machine" | tee -a "$rows"
    done
    # Rows of other machines stay.
    { cat "$rows"; grep -vF "  $machine" "$baseline" || true; } >"$folder/all"
    { grep '^#' "$folder/all" || true
      grep -v '^#' "$folder/all" | LC_ALL=C sort -k 3 -k 1,1; } >"$baseline"
}

if [[ $what == accept ]]; then
    accept
    exit 0
fi
recorded=$(awk -v what="$what" -v machine="$machine" '
    $1 == what { words = $3; for (i = 4; i <= NF; i++) words = words " " $i
                 if (words == machine) print $2 }' "$baseline")
[[ -n $recorded ]] || skip "$baseline has no row for $machine"
now=$(count "$what")
awk -v what="$what" -v recorded="$recorded" -v now="$now" -v limit="$LIMIT" -v build="$build" 'BEGIN {
    percent = 100 * (now / recorded - 1)
    if (percent > limit) {
        printf "%s: %d instructions were recorded, now it takes %d: %.1f %% more, and %d %% are allowed; " \
               "if that is worth it: bash tests/guard/instruction_check.sh accept %s\n",
               what, recorded, now, percent, limit, build
        exit 1
    }
    printf "%s: %d instructions, recorded were %d: %+.1f %%\n", what, now, recorded, percent
    if (percent < -limit)
        printf "so that it stays so: bash tests/guard/instruction_check.sh accept %s\n", build
}'
