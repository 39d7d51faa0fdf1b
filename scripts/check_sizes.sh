#!/bin/bash
# Guides about size and names. Beyond a guide is a warning; beyond a limit, a name that occurs twice,
# or a public header that does not say what may be NULL, is an error.
#
#                        guide   limit
#   a function's lines      70     100
#   a file's lines         900    1200
#   a public header's      400     550
#   a line's columns       100     100
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
failed=0

sources=$(find . \( -path ./build -o -path ./.git -o -path ./.cache \) -prune -o -type f \
          \( -name '*.[ch]' -o -name '*.cc' -o -name '*.py' -o -name '*.sh' -o -name '*.cmake' \) -print |
          sed 's#^\./##' | sort)

twice=$(sed 's#.*/##' <<<"$sources" | sort | uniq -d)
for name in $twice; do
    echo "the name $name occurs twice:" $(grep -E "(^|/)$name\$" <<<"$sources")
    failed=1
done

marks=$(grep -nE '\b(TODO|FIXME|XXX)\b' $sources | grep -v '^scripts/check_sizes.sh:') || true
if [[ -n $marks ]]; then
    echo "$marks"
    echo "unfinished work is an issue, not a mark in the code"
    failed=1
fi

for header in include/fathom/*.h; do
    if [[ $header != */fathom.h ]] && ! sed '/^ \*\/$/q' "$header" | grep -qi 'may be NULL'; then
        echo "$header does not say what may be NULL: base.h tells the rule"
        failed=1
    fi
done

# Tables that a script wrote are as long as they are.
written=$(grep -vE '^tests/golden/|_table\.h$' <<<"$sources" | grep -E '\.(c|h|cc|py|sh)$')
awk '
    function judge(place, what, lines, guide, limit) {
        if (lines <= guide) return
        if (lines > limit) bad = 1
        printf("%s: %s has %d lines, the %s is %d\n", place, what, lines,
               (lines > limit ? "limit" : "guide"), (lines > limit ? limit : guide))
    }
    function close_file() {
        if (file ~ /^include\//) judge(file, "public header", count, 400, 550)
        else if (file != "") judge(file, "file", count, 900, 1200)
    }
    FNR == 1 { close_file(); file = FILENAME; start = 0; name = "" }
    { count = FNR }
    FILENAME ~ /\.(c|h|cc)$/ && length($0) > 100 {
        printf("%s:%d: %d columns, the limit is 100\n", FILENAME, FNR, length($0)); bad = 1
    }
    FILENAME !~ /\.(c|h|cc)$/ { next }
    /^[a-z_].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
    /^\{/ { start = FNR }
    /^\}/ && start { judge(FILENAME ":" start, "function " name, FNR - start + 1, 70, 100); start = 0 }
    END { close_file(); exit bad }' $written || failed=1
exit $failed
