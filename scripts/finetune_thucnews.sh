#!/bin/sh
# Fine-tunes for THUCNews: 512 tokens, batches of 64, 3 epochs, rate 2e-5, ten seeds.
#
# Usage: scripts/finetune_thucnews.sh MODEL_DIR DATA_DIR OUTPUT_DIR [further flags]
#
# Published for BERT-wwm-ext, best (mean):
#   dev accuracy 97.7 (97.5)
#   test accuracy 97.7 (97.5)
# Data: the ten classes of github.com/gaussic/text-classification-cnn-rnn (cnews.train.txt,
# cnews.val.txt, cnews.test.txt).
# What the folders hold, and further flags: scripts/finetune.sh.
set -eu
if [ $# -lt 3 ]; then
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
fi
model=$1 data=$2 output=$3
shift 3
exec "$(dirname "$0")/finetune.sh" run_classifier.py thucnews "$model" "$data" "$output" \
    --do_eval --do_predict "$@"
