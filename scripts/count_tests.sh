#!/bin/bash
# count_tests.sh [--broken N] FILE.xml...: the closing line of ./run test, from CTest's JUnit files.
#
# A cmocka program counts as many tests as it holds; one that crashes has failed in all that did not
# say OK; one that says OK everywhere but exits with an error (a leak found at exit) has failed once.
# Every other program is one test. A build that broke (N of them) and a missing file are one failure
# each. Exit status 1 when anything failed or nothing passed.
set -euo pipefail
broken=0
if [[ ${1:-} == --broken ]]; then
    broken=$2
    shift 2
fi
for file in "$@"; do
    [[ -f $file ]] || { echo "$file is missing: its tests did not run" >&2; broken=$((broken + 1)); }
done
printf '%s\0' "$@" | xargs -0 -I{} sh -c 'test ! -f {} || { echo "@FILE {}"; cat {}; }' |
awk -v broken="$broken" '
    function close_case() {
        if (!open) return
        open = 0
        if (status == "notrun" || status == "disabled") skip = 1
        if (declared == 0) {
            declared = 1
            if (status == "run" && !skip) ok = 1
            else if (skip) skipped = 1
        }
        failed = declared - ok - skipped
        if (status == "fail" && failed == 0) { failed = 1; if (ok > 0) ok-- }
        total_ok += ok; total_skipped += skipped; total_failed += failed
        here_ok += ok; here_skipped += skipped; here_failed += failed
        if (failed) bad[++bad_count] = preset ": " name
    }
    function close_file() {
        if (preset != "") {
            printf "%-9s %5d passed, %d failed, %d skipped\n", preset, here_ok, here_failed, here_skipped
        }
        here_ok = here_failed = here_skipped = 0
    }
    /^@FILE / {
        close_case(); close_file()
        count = split($2, parts, "/")
        preset = parts[count - 1]
        next
    }
    /<testcase / {
        close_case()
        open = 1; ok = skipped = declared = skip = inside = 0
        match($0, /name="[^"]*"/);   name = substr($0, RSTART + 6, RLENGTH - 7)
        match($0, /status="[^"]*"/); status = substr($0, RSTART + 8, RLENGTH - 9)
        next
    }
    open && /<skipped/ { skip = 1 }
    open && /\[==========\] Running [0-9]+ test/ {
        match($0, /Running [0-9]+/); declared += substr($0, RSTART + 8, RLENGTH - 8)
    }
    open && /\[ RUN      \] /            { inside = 1 }
    open && inside && /\[       OK \] /  { ok++; inside = 0 }
    open && inside && /\[  SKIPPED \] /  { skipped++; inside = 0 }
    /<\/testsuite>/ { close_case() }
    END {
        close_case(); close_file()
        total_failed += broken
        for (i = 1; i <= bad_count; i++) print "FAILED in " bad[i]
        printf "%d passed, %d failed, %d skipped\n", total_ok, total_failed, total_skipped
        exit total_failed > 0 || total_ok == 0
    }'
