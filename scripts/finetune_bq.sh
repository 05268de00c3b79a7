#!/bin/sh
# Fine-tunes for BQ Corpus: 128 tokens, batches of 64, 3 epochs, rate 3e-5, ten seeds.
#
# Usage: scripts/finetune_bq.sh MODEL_DIR DATA_DIR OUTPUT_DIR [further flags]
#
# Published for BERT-wwm-ext, best (mean):
#   dev accuracy 86.4 (85.5)
#   test accuracy 85.3 (84.8)
# Data: icrc.hitsz.edu.cn/Article/show/175.html, on request (train.tsv, dev.tsv, test.tsv).
# What the folders hold, and further flags: scripts/finetune.sh.
set -eu
if [ $# -lt 3 ]; then
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
fi
model=$1 data=$2 output=$3
shift 3
exec "$(dirname "$0")/finetune.sh" run_classifier.py bq "$model" "$data" "$output" \
    --do_eval --do_predict "$@"
