#!/bin/sh
# Fine-tunes for ChnSentiCorp: 256 tokens, batches of 64, 3 epochs, rate 2e-5, ten seeds.
#
# Usage: scripts/finetune_chnsenticorp.sh MODEL_DIR DATA_DIR OUTPUT_DIR [further flags]
#
# Published for BERT-wwm-ext, best (mean):
#   dev accuracy 95.4 (94.6)
#   test accuracy 95.3 (94.7)
# Data: github.com/ymcui/Chinese-BERT-wwm, folder data/chnsenticorp (train.tsv, dev.tsv, test.tsv).
# What the folders hold, and further flags: scripts/finetune.sh.
set -eu
if [ $# -lt 3 ]; then
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
fi
model=$1 data=$2 output=$3
shift 3
exec "$(dirname "$0")/finetune.sh" run_classifier.py chnsenticorp "$model" "$data" "$output" \
    --do_eval --do_predict "$@"
