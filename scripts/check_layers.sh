#!/bin/bash
# Dependencies point down. The table below is the law; every #include of the library, the program
# and the public headers is held against it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

find src include/fathom -name '*.[ch]' -print0 | sort -z | xargs -0 awk '
    BEGIN {
        # layer: the layers whose headers it may include
        may["base"]    = "base"
        may["ir"]      = "base ir"
        may["kernel"]  = "kernel"                       # see only_for_kernel
        may["op"]      = "base ir kernel op"
        may["backend"] = "base ir kernel op backend"
        may["pass"]    = "base ir op backend pass"
        may["run"]     = "base ir op backend pass run"
        may["nn"]      = "base ir op backend pass run nn"
        may["data"]    = "base data"
        may["io"]      = "base io"
        may["train"]   = "base ir op backend pass run nn data io train"
        may["cli"]     = "base ir op backend pass run nn data io train cli"

        # the textbook: these and nothing else
        split("<math.h> <stdint.h> <string.h> base/philox.h base/chacha.h", only_for_kernel, " ")

        # layer: its public headers
        headers["base"]    = "base options schema tensor"
        headers["ir"]      = "graph op backend" # the records that everything above is made of
        headers["op"]      = "ops vision_ops recurrent_ops attention_ops"
        headers["run"]     = "program"
        headers["nn"]      = "nn nn_vision nn_recurrent zoo loss metric optimizer schedule nn_attention"
        headers["data"]    = "data data_source data_files built_in_data image series text_data augmentation audio"
        headers["io"]      = "event_file io"
        headers["train"]   = "train callback model_file recipe gradients forecast check generate tune explain latent embedding privacy"
        headers["cli"]     = "fathom" # all of it
        for (row in headers) {
            count = split(headers[row], names, " ")
            for (i = 1; i <= count; i++) layer_of[names[i]] = row
        }
    }
    function complain(words) {
        printf "%s:%d: %s\n", FILENAME, FNR, words
        bad++
    }
    # "src/ir/x.c", "ir/x.h", "include/fathom/graph.h", "fathom/graph.h" -> "ir"
    function layer(path,    parts, name) {
        sub(/^(src|include)\//, "", path)
        split(path, parts, "/")
        if (parts[1] != "fathom") return parts[1]
        name = parts[2]
        sub(/\.h$/, "", name)
        if (!(name in layer_of)) complain("public header " path " has no layer in scripts/check_layers.sh")
        return layer_of[name]
    }
    # the folder of one backend, "" for what all backends share
    function backend_of(path,    parts, count) {
        sub(/^src\//, "", path)
        count = split(path, parts, "/")
        return parts[1] == "backend" && count > 2 ? parts[2] : ""
    }
    function contains(list, word) { return index(" " list " ", " " word " ") > 0 }

    FNR == 1 {
        mine = layer(FILENAME)
        if (!(mine in may)) complain("folder src/" mine " has no layer in scripts/check_layers.sh")
    }
    mine == "kernel" && /^[ \t]*#[ \t]*include/ {
        fine = /"kernel\// || /include KERNEL_FILE/
        for (i in only_for_kernel) if (index($0, only_for_kernel[i])) fine = 1
        if (!fine) complain("a kernel includes only <math.h>, <stdint.h>, <string.h>, base/philox.h, base/chacha.h")
        next
    }
    match($0, /^[ \t]*#[ \t]*include[ \t]*["<][^">]*[">]/) {
        text = substr($0, RSTART, RLENGTH)
        quoted = text ~ /"/
        gsub(/^[^"<]*["<]|[">]$/, "", text)
        if (text !~ /\.h$/ || (!quoted && text !~ /^fathom\//)) next
        if (text !~ /\//) {
            complain("write \"" text "\" with its folder")
            next
        }
        theirs = layer(text)
        if (!contains(may[mine], theirs)) complain(mine " must not depend on " theirs " (" text ")")
        other = backend_of(text)
        if (other != "" && other != backend_of(FILENAME)) {
            complain("only src/backend/" other "/ includes its headers (" text ")")
        }
    }
    END {
        if (bad) printf "%d includes against the order of layers\n", bad
        exit bad > 0
    }'
