#!/bin/bash
# demo.sh PROGRAM: trains two digit classifiers, a multilayer perceptron and a convolutional network,
# measures them, and looks at what they say. MNIST where it can be had (in $FATHOM_DATA, in the cache, or
# by a download), else digits that Fathom draws itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
program=$1
folder=build/demo
not_found=5 # the exit code of `fathom train` when a data set cannot be had
mkdir -p "$folder"

show_and_run() {
    printf '\n$ fathom %s\n' "$*"
    "$program" "$@"
}

model=$folder/mnist-dropout.safetensors
convolutional=(mnist-cnn --epochs 2)
code=0
show_and_run train recipes/mnist-dropout.yaml --out "$model" || code=$?
if [[ $code == "$not_found" ]]; then
    printf '\nWithout MNIST: on digits that Fathom draws itself.\n'
    model=$folder/strokes-mlp.safetensors
    convolutional=(strokes-cnn)
    code=0
    show_and_run train recipes/strokes-mlp.yaml --out "$model" || code=$?
fi
[[ $code == 0 ]] || exit "$code"

show_and_run eval "$model"
printf '\nA convolutional network looks for the same small patterns everywhere in the image:\n'
model=$folder/${convolutional[0]}.safetensors
show_and_run train "recipes/${convolutional[0]}.yaml" "${convolutional[@]:1}" --out "$model"
show_and_run predict "$model" --sample 0-4 --picture
printf '\nThe model is %s. Try: build/release/fathom show %s\n' "$model" "$model"
