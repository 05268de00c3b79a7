#!/bin/sh
# Fine-tunes a model for a task with ten seeds and the published settings: one cell of HFL's tables.
#
# Usage: scripts/finetune.sh TASK MODEL_DIR DATA_DIR OUTPUT_DIR [FLAG ...]
#
#   TASK         a task of the table below, or another one that scripts/list_tasks.py prints
#   MODEL_DIR    bert_config.json, vocab.txt and a checkpoint; may be in a bucket (gs://...)
#   DATA_DIR     the task's files, with the names that scripts/list_tasks.py prints
#   OUTPUT_DIR   takes the results; the same command resumes an interrupted run
#   FLAG         flags of the task's program, which override the published settings: --num_runs=3
#
# scripts/report.py compares the results with the published ones. HFL's tasks and their data:
#
#   xnli             cims.nyu.edu/~sbowman/xnli: XNLI-1.0 and XNLI-MT-1.0
#   ocnli            github.com/CLUEbenchmark/OCNLI; the labels of its test set are hidden
#   tnews            github.com/CLUEbenchmark/CLUE; the labels of its test set are hidden
#   chnsenticorp     github.com/ymcui/Chinese-BERT-wwm, data/chnsenticorp
#   thucnews         github.com/gaussic/text-classification-cnn-rnn, its ten classes
#   lcqmc            icrc.hitsz.edu.cn/info/1037/1146.htm, on request
#   bq               icrc.hitsz.edu.cn/Article/show/175.html, on request
#   cmrc2018         github.com/ymcui/cmrc2018, squad-style-data; test and challenge set are hidden
#   drcd             github.com/DRCKnowledgeTeam/DRCD; Traditional Chinese
#   cjrc             github.com/china-ai-law-challenge/CAIL2019; the published scores are of HFL's
#                    own split of the training data, which is not released: they can't be compared
#   msra_ner         the training and test files of SIGHAN 2006; no dev set, so the last weights
#                    are tested
#   peopledaily_ner  github.com/ymcui/Chinese-BERT-wwm, data/peopledaily
set -eu

if [ $# -lt 4 ]; then
    sed -n '2,/^set -eu/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
fi
task=$1 model=${2%/} data=$3 output=$4
shift 4
python=${PYTHON:-python} root=$(dirname "$0")/..

tasks=$("$python" "$root/scripts/list_tasks.py")
program=$(echo "$tasks" | awk -v task="$task" '$1 == task && match($0, / run_[a-z]*\.py /) {
    print substr($0, RSTART + 1, RLENGTH - 2)
}')
if [ -z "$program" ]; then
    echo "finetune.sh: error: $task: no such task; expected one of" \
        "$(echo "$tasks" | sed 's/ .*//;1d' | tr '\n' ' ')" >&2
    exit 2
fi
case $task in
    msra_ner) splits=--do_predict ;;
    xnli | chnsenticorp | thucnews | lcqmc | bq | drcd | cjrc) splits='--do_eval --do_predict' ;;
    *) splits=--do_eval ;; # nobody can score the test set
esac

# shellcheck disable=SC2086  # two flags
exec "$python" "$root/$program" --task_name="$task" --data_dir="$data" --output_dir="$output" \
    --model_name="$(basename "$model")" --bert_config_file="$model/bert_config.json" \
    --vocab_file="$model/vocab.txt" --init_checkpoint="$model" --do_train $splits --num_runs=10 "$@"
