#!/bin/bash
# scripts/count_tests.sh on made-up results: a count that hides a failure would be worse than none.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

# testcase NAME STATUS OUTPUT
testcase() {
    printf '\t<testcase name="%s" classname="%s" time="0.01" status="%s">\n' "$1" "$1" "$2"
    [[ $2 != notrun ]] || printf '\t\t<skipped message="SKIP_RETURN_CODE=77"/>\n'
    [[ $2 != fail ]] || printf '\t\t<failure message=""/>\n'
    printf '\t\t<system-out>%s</system-out>\n\t</testcase>\n' "$3"
}
suite() {
    mkdir -p "$folder/release"
    { echo '<testsuite name="Linux">'; cat; echo '</testsuite>'; } >"$folder/release/tests.xml"
}
# expect WHAT STATUS LAST_LINE [ARGUMENT...]
expect() {
    local what=$1 status=$2 last=$3 received code
    shift 3
    received=$(bash scripts/count_tests.sh "$@" "$folder/release/tests.xml" 2>/dev/null)
    code=$?
    received=$(tail -n 1 <<<"$received")
    [[ $received == "$last" && $code == "$status" ]] && return
    echo "$what: expected '$last' and status $status, received '$received' and $code"
    failed=1
}

two_pass='[==========] Running 2 test(s).
[ RUN      ] a
[       OK ] a
[ RUN      ] b
[       OK ] b
[==========] 2 test(s) run.
[  PASSED  ] 2 test(s).'
one_fails='[==========] Running 2 test(s).
[ RUN      ] a
[  ERROR   ] --- 1 != 2
[   LINE   ] --- x.c:1: error: Failure!
[  FAILED  ] a
[ RUN      ] b
[       OK ] b
[==========] 2 test(s) run.
[  PASSED  ] 1 test(s).
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] a'
one_skips='[==========] Running 2 test(s).
[ RUN      ] a
[  SKIPPED ] a
[ RUN      ] b
[       OK ] b
[==========] 2 test(s) run.
[  PASSED  ] 1 test(s).
[  SKIPPED ] 1 test(s), listed below:
[  SKIPPED ] a'
fixture_fails='[==========] Running 2 test(s).
[ RUN      ] a
[  ERROR   ] a
[ RUN      ] b
[       OK ] b
[==========] 2 test(s) run.
[  PASSED  ] 1 test(s).'
crash='[==========] Running 3 test(s).
[ RUN      ] a
[       OK ] a
[ RUN      ] b'

testcase x run "$two_pass" | suite
expect 'all pass' 0 '2 passed, 0 failed, 0 skipped'
expect 'a build broke' 1 '2 passed, 1 failed, 0 skipped' --broken 1
expect 'results are missing' 1 '2 passed, 1 failed, 0 skipped' "$folder/absent/tests.xml"
{ testcase x run "$two_pass"; testcase y fail "$one_fails"; } | suite
expect 'one fails' 1 '3 passed, 1 failed, 0 skipped'
testcase x run "$one_skips" | suite
expect 'one is skipped' 0 '1 passed, 0 failed, 1 skipped'
testcase x fail "$fixture_fails" | suite
expect 'a fixture fails' 1 '1 passed, 1 failed, 0 skipped'
testcase x fail "$crash" | suite
expect 'a program crashes' 1 '1 passed, 2 failed, 0 skipped'
testcase x fail "$two_pass" | suite
expect 'a leak at exit' 1 '1 passed, 1 failed, 0 skipped'
testcase x fail '' | suite
expect 'a program dies at once' 1 '0 passed, 1 failed, 0 skipped'
{ testcase x run 'no cmocka'; testcase y notrun 'no compiler'; testcase z fail 'no'; } | suite
expect 'other programs' 1 '1 passed, 1 failed, 1 skipped'
suite </dev/null
expect 'nothing ran' 1 '0 passed, 0 failed, 0 skipped'
exit $failed
