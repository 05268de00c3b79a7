#!/bin/sh
# Fine-tunes for People's Daily: 128 tokens, batches of 64, 5 epochs, rate 2e-5, ten seeds.
#
# Usage: scripts/finetune_peopledaily_ner.sh MODEL_DIR DATA_DIR OUTPUT_DIR [further flags]
#
# Published for BERT-wwm-ext, best (mean):
#   dev F1 95.3 (95.1)
# Data: github.com/ymcui/Chinese-BERT-wwm, data/peopledaily (train.txt, dev.txt).
# What the folders hold, and further flags: scripts/finetune.sh.
set -eu
if [ $# -lt 3 ]; then
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
fi
model=$1 data=$2 output=$3
shift 3
exec "$(dirname "$0")/finetune.sh" run_ner.py peopledaily_ner "$model" "$data" "$output" \
    --do_eval "$@"
