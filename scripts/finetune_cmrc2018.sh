#!/bin/sh
# Fine-tunes for CMRC 2018: 512 tokens, batches of 64, 2 epochs, rate 3e-5, ten seeds.
#
# Usage: scripts/finetune_cmrc2018.sh MODEL_DIR DATA_DIR OUTPUT_DIR [further flags]
#
# Published for BERT-wwm-ext, best (mean):
#   dev EM / F1 67.1 (65.6) / 85.7 (85.0)
#   test EM / F1 71.4 (70.0) / 87.7 (87.0)
# Data: github.com/ymcui/cmrc2018, folder squad-style-data (cmrc2018_train.json, cmrc2018_dev.json).
# Test and challenge set are hidden.
# What the folders hold, and further flags: scripts/finetune.sh.
set -eu
if [ $# -lt 3 ]; then
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
fi
model=$1 data=$2 output=$3
shift 3
exec "$(dirname "$0")/finetune.sh" run_squad.py cmrc2018 "$model" "$data" "$output" \
    --do_eval "$@"
