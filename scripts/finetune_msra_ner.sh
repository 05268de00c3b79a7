#!/bin/sh
# Fine-tunes for MSRA-NER: 256 tokens, batches of 64, 5 epochs, rate 2e-5, ten seeds.
#
# Usage: scripts/finetune_msra_ner.sh MODEL_DIR DATA_DIR OUTPUT_DIR [further flags]
#
# Published for BERT-wwm-ext, best (mean):
#   test F1 95.3 (94.9)
# Data: the training and test files of SIGHAN 2006 (msra_train_bio.txt, msra_test_bio.txt). There is
# no development set, so the last weights are tested.
# What the folders hold, and further flags: scripts/finetune.sh.
set -eu
if [ $# -lt 3 ]; then
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
fi
model=$1 data=$2 output=$3
shift 3
exec "$(dirname "$0")/finetune.sh" run_ner.py msra_ner "$model" "$data" "$output" \
    --do_predict "$@"
