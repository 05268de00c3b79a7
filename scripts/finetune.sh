#!/bin/sh
# Fine-tunes a released model for a task with ten seeds, as HFL's tables have it.
#
# Usage: scripts/finetune.sh PROGRAM TASK MODEL_DIR DATA_DIR OUTPUT_DIR [further flags]
#
#   PROGRAM      run_classifier.py, run_squad.py or run_ner.py
#   TASK         a task of the program; scripts/list_tasks.py prints them
#   MODEL_DIR    holds bert_config.json, vocab.txt and the checkpoint bert_model.ckpt
#   DATA_DIR     holds the task's files, by the names that scripts/list_tasks.py prints
#   OUTPUT_DIR   takes the results; started again, the script goes on where it was
#
# Further flags are the program's, and come last: --num_runs=3, say, or --use_tpu.
# The scripts finetune_TASK.sh say for each task of the papers where its data is, and what was
# published; scripts/report.py sets the results beside that.
set -eu

if [ $# -lt 5 ]; then
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
fi
program=$1 task=$2 model=$3 data=$4 output=$5
shift 5

fail() {
    echo "finetune.sh: error: $*" >&2
    exit 2
}

checkpoint=$model/bert_model.ckpt
case $model in
    gs://*) ;; # what is in a bucket, the program looks at
    *)
        for file in "$model/bert_config.json" "$model/vocab.txt"; do
            [ -f "$file" ] || fail "$file: missing; expected it in the model's folder"
        done
        if [ -f "$checkpoint.index" ]; then
            :
        elif [ -f "$model/checkpoint" ]; then # of a training of one's own: it names the newest
            checkpoint=$model
        else # a released one of another name
            checkpoint=
            for index in "$model"/*.index; do
                [ -f "$index" ] || fail "$model: holds no checkpoint; expected bert_model.ckpt.index"
                [ -z "$checkpoint" ] || fail "$model: holds several checkpoints; expected one"
                checkpoint=${index%.index}
            done
        fi
        ;;
esac

exec "${PYTHON:-python}" "$(dirname "$0")/../$program" --task_name="$task" \
    --data_dir="$data" --output_dir="$output" --model_name="$(basename "$model")" \
    --bert_config_file="$model/bert_config.json" --vocab_file="$model/vocab.txt" \
    --init_checkpoint="$checkpoint" --do_train --num_runs=10 "$@"
