#!/bin/sh
# Fine-tunes for DRCD: 512 tokens, batches of 64, 2 epochs, rate 3e-5, ten seeds.
#
# Usage: scripts/finetune_drcd.sh MODEL_DIR DATA_DIR OUTPUT_DIR [further flags]
#
# Published for BERT-wwm-ext, best (mean):
#   dev EM / F1 85.0 (84.5) / 91.2 (90.9)
#   test EM / F1 83.6 (83.0) / 90.4 (89.9)
# Data: github.com/DRCKnowledgeTeam/DRCD (DRCD_training.json, DRCD_dev.json, DRCD_test.json);
# Traditional Chinese.
# What the folders hold, and further flags: scripts/finetune.sh.
set -eu
if [ $# -lt 3 ]; then
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
fi
model=$1 data=$2 output=$3
shift 3
exec "$(dirname "$0")/finetune.sh" run_squad.py drcd "$model" "$data" "$output" \
    --do_eval --do_predict "$@"
