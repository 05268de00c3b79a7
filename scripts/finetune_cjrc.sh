#!/bin/sh
# Fine-tunes for CJRC: 512 tokens, batches of 64, 2 epochs, rate 4e-5, ten seeds.
#
# Usage: scripts/finetune_cjrc.sh MODEL_DIR DATA_DIR OUTPUT_DIR [further flags]
#
# Published for BERT-wwm-ext, best (mean):
#   dev EM / F1 55.6 (54.8) / 76.0 (75.3)
#   test EM / F1 55.6 (54.9) / 75.8 (75.0)
# Data: github.com/china-ai-law-challenge/CAIL2019 (small_train_data.json,
# dev_ground_truth.json, test_ground_truth.json). The published figures are of HFL's own split of
# the training data, which is not released, so they can't be compared.
# What the folders hold, and further flags: scripts/finetune.sh.
set -eu
if [ $# -lt 3 ]; then
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
fi
model=$1 data=$2 output=$3
shift 3
exec "$(dirname "$0")/finetune.sh" run_squad.py cjrc "$model" "$data" "$output" \
    --do_eval --do_predict "$@"
