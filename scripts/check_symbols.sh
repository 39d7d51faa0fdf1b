#!/bin/bash
# check_symbols.sh BUILD_FOLDER: what the finished library needs, keeps and exports.
#  - It never exits, prints or reads the environment, and calls nothing that keeps hidden state.
#  - It has no global mutable state.
#  - libfathom.so exports fm_ names only, and every FM_API function of the public headers.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${1:-build/release}
failed=0

complain() { echo "$*"; failed=1; }

forbidden='exit|_exit|_Exit|quick_exit|abort|printf|vprintf|__printf_chk|__vprintf_chk|puts|putchar'
forbidden+='|perror|stdin|stdout|stderr|getenv|secure_getenv|setenv|putenv|system|popen'
forbidden+='|rand|srand|random|srandom|drand48|strtok|setlocale|strerror|gmtime|localtime|ctime|umask|chdir'
used=$(nm -A --undefined-only "$build/libfathom.a" | sed -E 's/@.*//' |
       awk -v forbidden="^($forbidden)\$" '$NF ~ forbidden { split($1, parts, ":"); print parts[2] " uses " $NF }' |
       sort -u)
[[ -z $used ]] || complain "$used"

# Constants with addresses inside live in .data.rel.ro: written once, by the loader.
mutable=$(objdump --syms "$build/libfathom.a" |
          awk '/file format/ { object = $1 }
               $0 ~ /[ \t](\.data|\.data\.rel|\.data\.rel\.local|\.bss|\.tdata|\.tbss|\*COM\*)(\.[A-Za-z_0-9.]+)?[ \t]/ &&
               $0 !~ /\.data\.rel\.ro/ && $(NF - 1) ~ /^[0-9a-f]+$/ && $(NF - 1) !~ /^0+$/ {
                   print object " keeps mutable state: " $NF
               }')
[[ -z $mutable ]] || complain "$mutable"

exported=$(nm -D --defined-only "$build/libfathom.so" | awk '$2 != "A" { print $3 }' | sort)
strange=$(grep -v '^fm_' <<<"$exported" || true)
[[ -z $strange ]] || complain "exported without the prefix fm_: $strange"

declared=$(for header in include/fathom/*.h; do
               tr '\n' ' ' <"$header" | grep -oE 'FM_API [^;{]*\(' |
                   grep -oE 'fm_[a-z0-9_]+ *\(' | tr -d ' (' || true
           done | sort -u)
absent=$(comm -23 <(echo "$declared") <(echo "$exported"))
[[ -z $absent ]] || complain "declared in a public header, but not in the library:" $absent
exit $failed
