#!/bin/bash
# scripts/check_performance.sh on a small tree of its own: it must notice each way in which page and
# results part.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

sum() { sha256sum | cut -d ' ' -f 1; }

# A tree whose page belongs to its results.
whole_tree() {
    rm -rf "$folder"/*
    mkdir -p "$folder/bench/results" "$folder/docs"
    echo '{"a": 1}' >"$folder/bench/results/a.json"
    echo '{"b": 2}' >"$folder/bench/results/b.json"
    echo 'print()' >"$folder/bench/write_performance.py"
    echo '# Performance' >"$folder/docs/performance.md"
    echo '<svg/>' >"$folder/docs/roofline-x.svg"
    local results page
    results=$(cat "$folder"/bench/results/*.json "$folder/bench/write_performance.py" | sum)
    page=$(cat "$folder/docs/performance.md" "$folder/docs/roofline-x.svg" | sum)
    echo "<!-- results $results page $page -->" >>"$folder/docs/performance.md"
}

# expect WHAT STATUS WORDS
expect() {
    local received code
    received=$(bash scripts/check_performance.sh "$folder" 2>&1)
    code=$?
    [[ $code == "$2" && $received == *"$3"* ]] || {
        echo "$1: expected status $2 and '$3', received $code and '$received'"
        failed=1
    }
    whole_tree
}

whole_tree
expect 'as written' 0 ''
echo '{"b": 3}' >"$folder/bench/results/b.json"
expect 'another result' 1 'does not belong to bench/results'
echo '{"c": 3}' >"$folder/bench/results/c.json"
expect 'one more result' 1 'does not belong to bench/results'
echo 'print(1)' >"$folder/bench/write_performance.py"
expect 'another script' 1 'does not belong to bench/results'
sed -i 's/Performance/Boasting/' "$folder/docs/performance.md"
expect 'changed by hand' 1 'was changed by hand'
echo '<svg></svg>' >"$folder/docs/roofline-x.svg"
expect 'another picture' 1 'was changed by hand'
sed -i '$d' "$folder/docs/performance.md"
expect 'no checksums' 1 'has no checksums'
rm "$folder/docs/performance.md"
expect 'no page' 1 'is missing; write it anew: python3 bench/write_performance.py'
exit $failed
