#!/bin/sh
# Fine-tunes for XNLI (Chinese): 128 tokens, batches of 64, 2 epochs, rate 3e-5, ten seeds.
#
# Usage: scripts/finetune_xnli.sh MODEL_DIR DATA_DIR OUTPUT_DIR [further flags]
#
# Published for BERT-wwm-ext, best (mean):
#   dev accuracy 79.4 (78.6)
#   test accuracy 78.7 (78.3)
# Data: XNLI-1.0 and XNLI-MT-1.0 of cims.nyu.edu/~sbowman/xnli (multinli/multinli.train.zh.tsv,
# xnli.dev.tsv, xnli.test.tsv).
# What the folders hold, and further flags: scripts/finetune.sh.
set -eu
if [ $# -lt 3 ]; then
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
fi
model=$1 data=$2 output=$3
shift 3
exec "$(dirname "$0")/finetune.sh" run_classifier.py xnli "$model" "$data" "$output" \
    --do_eval --do_predict "$@"
