#!/bin/bash
# consumer_check.sh WHAT BUILD_FOLDER: the installed package as others meet it. WHAT is one of
#   install       into a folder, then moves the folder: nothing may remember where it was
#   find_package  a CMake project
#   pkg_config    the C compiler and pkg-config, shared
#   static        the same with the archive
#   c_headers     every public header alone, pedantic C17
#   cxx_headers   every public header alone, and all together, C++11
#   cxx_program   the C++20 compilers and pkg-config, layers and options by their macros
# Ends with 77 (skipped) where the compiler that it needs is not installed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
what=$1
work=$(cd "$2" && pwd)/consumer
prefix=$work/moved
cc=${CC:-cc}

case $what in
install)
    rm -rf "$work"
    mkdir -p "$work"
    cmake --install "$2" --prefix "$work/installed" >/dev/null
    mv "$work/installed" "$prefix"
    ;;
find_package)
    cmake -S "$here" -B "$work/project" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
    cmake --build "$work/project" >/dev/null
    "$work/project/consumer"
    ;;
pkg_config | static)
    pc=$(find "$prefix" -name fathom.pc)
    export PKG_CONFIG_PATH=${pc%/*}
    libdir=$(pkg-config --variable=libdir fathom)
    if [[ $what == static ]]; then
        # The other libraries may be shared: -Bstatic holds for ours alone.
        "$cc" -o "$work/static" "$here/consumer.c" $(pkg-config --cflags fathom) \
            $(pkg-config --static --libs fathom | sed 's/-lfathom/-l:libfathom.a/')
        "$work/static"
    else
        "$cc" -o "$work/shared" "$here/consumer.c" $(pkg-config --cflags --libs fathom)
        LD_LIBRARY_PATH=$libdir "$work/shared"
    fi
    ;;
c_headers)
    for header in "$prefix"/include/fathom/*.h; do
        "$cc" -std=gnu17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c -I "$prefix/include" \
            - <<<"#include <fathom/${header##*/}>"
    done
    ;;
cxx_program)
    pc=$(find "$prefix" -name fathom.pc)
    export PKG_CONFIG_PATH=${pc%/*}
    found=
    # GCC and Clang tell of fields without a value in ways of their own.
    for cxx in "${CXX:-c++}" $(compgen -c | grep -xE 'clang\+\+(-[0-9]+)?' | sort -u); do
        command -v "$cxx" >/dev/null || continue
        "$cxx" -std=c++20 -Wall -Wextra -Wpedantic -Werror -o "$work/cxx" "$here/consumer.cpp" \
            $(pkg-config --cflags --libs fathom)
        LD_LIBRARY_PATH=$(pkg-config --variable=libdir fathom) "$work/cxx"
        found=1
    done
    [[ $found ]] || exit 77
    ;;
cxx_headers)
    cxx=${CXX:-c++}
    command -v "$cxx" >/dev/null || exit 77
    all=
    for header in "$prefix"/include/fathom/*.h; do
        line="#include <fathom/${header##*/}>"
        all+=$line$'\n'
        "$cxx" -std=c++11 -Wall -Wextra -Werror -fsyntax-only -x c++ -I "$prefix/include" - <<<"$line"
    done
    "$cxx" -std=c++20 -Wall -Wextra -Werror -fsyntax-only -x c++ -I "$prefix/include" - <<<"$all"
    ;;
esac
