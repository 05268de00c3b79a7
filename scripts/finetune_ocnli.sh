#!/bin/sh
# Fine-tunes for OCNLI: 128 tokens, batches of 64, 3 epochs, rate 2e-5, ten seeds.
#
# Usage: scripts/finetune_ocnli.sh MODEL_DIR DATA_DIR OUTPUT_DIR [further flags]
#
# Published for BERT-wwm-ext, best (mean):
#   dev accuracy 76.0 (75.3)
# Data: github.com/CLUEbenchmark/OCNLI (train.50k.json, dev.json); the test set's labels are
# hidden.
# What the folders hold, and further flags: scripts/finetune.sh.
set -eu
if [ $# -lt 3 ]; then
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
fi
model=$1 data=$2 output=$3
shift 3
exec "$(dirname "$0")/finetune.sh" run_classifier.py ocnli "$model" "$data" "$output" \
    --do_eval "$@"
