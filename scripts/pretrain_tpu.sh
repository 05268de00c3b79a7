#!/usr/bin/env bash
# Trains a recipe on a Cloud TPU, and starts again whenever the TPU is taken away.
#
# Usage: scripts/pretrain_tpu.sh RECIPE TPU_NAME GS_INPUT GS_OUTPUT [further flags]
#
#   RECIPE     a name of configs/recipes, as rbt3; bert-wwm, bert-wwm-ext and
#              english-bert-large-wwm run both phases, -128 and -512, one after the other
#   TPU_NAME   the TPU's name (needs pip install google-api-python-client oauth2client), or
#              grpc://ADDRESS:8470
#   GS_INPUT   the records, as 'gs://BUCKET/records/roberta-wwm-512.tfrecord-*'; of two phases
#              with LENGTH where the names have 128 and 512
#   GS_OUTPUT  the folder of the checkpoints; two phases write GS_OUTPUT-128 and GS_OUTPUT-512
#
# Further flags are run_pretraining.py's, and come after the recipe's own. Of two phases both get
# them, but for --init_checkpoint, from which the first starts; the second starts from the first.
#
# Environment:
#   NUM_TPU_CORES            8 by default, as a v3-8 has; a v3-32 has 32
#   TPU_ZONE, GCP_PROJECT    where the TPU is, if not where this machine is
#   PAUSE                    seconds before it starts again, 60 by default
#
# A run that fails is started again with the same command, and goes on from its last checkpoint,
# until it ends with status 0. A preempted TPU has to be made anew under its name by someone else;
# until then the attempts fail. Not started again is
#   - a run that says "run_pretraining.py: error:" or "Flags parsing error", or misses a module: it
#     would say so again. Its status, 1, is also that of a run whose TPU is gone, which shows a
#     traceback; only the words tell them apart. What the system refuses ("[Errno ...", as where
#     the network is down) is tried again;
#   - a run that was interrupted, by SIGTERM or Ctrl-C, to the run or to this script, which passes
#     SIGTERM on: the run saves a checkpoint, and this script ends with status 143.
set -u

if [ $# -lt 4 ]; then
    sed -n '2,/^set -u/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
fi
recipe=$1 tpu_name=$2 input=$3 output=${4%/}
shift 4

cd "$(dirname "$0")/.." || exit 1
cores=${NUM_TPU_CORES:-8}
pause=${PAUSE:-60}
words=$(mktemp) || exit 1
child='' stopped=''
trap 'rm -f "$words"' EXIT
trap 'stopped=yes; if [ -n "$child" ]; then kill -TERM "$child" 2>/dev/null; fi' INT TERM

say() {
    echo "pretrain_tpu.sh: $(date '+%Y-%m-%d %H:%M:%S') $*" >&2
}

# Runs a command once, and keeps what it writes to standard error in the file $words.
attempt() {
    local status tee
    exec 3> >(trap '' INT TERM && exec tee "$words" >&2) # it hears the command's last words
    tee=$!
    "$@" 2>&3 3>&- & # in the background, as bash acts on a signal only where it waits
    child=$!
    exec 3>&-
    wait "$child"
    status=$?
    while kill -0 "$child" 2>/dev/null; do # a signal ended the wait; the command saves
        wait "$child"
        status=$?
    done
    child=''
    wait "$tee"
    return "$status"
}

# Says whether the words of the last attempt tell of a command that can't succeed.
is_wrong() {
    local lines='^run_pretraining\.py: error: |Flags parsing error'
    lines+='|^(ImportError|ModuleNotFoundError): '
    grep -E "$lines" "$words" | grep -qvF '[Errno '
}

# Runs a command until it ends with status 0; leaves the script where it never would.
persist() {
    local status
    while [ -z "$stopped" ]; do
        attempt "$@"
        status=$?
        case $status in
            0) return ;;
            130 | 143) stopped=yes ;;
            1)
                if is_wrong; then
                    say "stops: the next attempt would end in the same way"
                    exit 1
                fi
                ;;
        esac
        if [ -z "$stopped" ]; then
            say "ended with status $status; starts again in $pause s"
            sleep "$pause" &
            child=$!
            wait "$child"
            child=''
        fi
    done
    say "interrupted; the same command goes on"
    exit 143
}

# train RECIPE INPUT OUTPUT [further flags]
train() {
    local flagfile=configs/recipes/$1.flags input=$2 output=$3
    shift 3
    say "$flagfile to $output"
    set -- --input_file="$input" --output_dir="$output" --use_tpu --tpu_name="$tpu_name" \
        --num_tpu_cores="$cores" --eval_batch_size="$cores" "$@" # both have to fit the cores
    if [ -n "${TPU_ZONE:-}" ]; then
        set -- "$@" --tpu_zone="$TPU_ZONE"
    fi
    if [ -n "${GCP_PROJECT:-}" ]; then
        set -- "$@" --gcp_project="$GCP_PROJECT"
    fi
    persist python run_pretraining.py --flagfile="$flagfile" "$@"
}

if [ -f "configs/recipes/$recipe.flags" ]; then
    train "$recipe" "$input" "$output" "$@"
elif [ -f "configs/recipes/$recipe-128.flags" ]; then
    case $input in
        *LENGTH*) ;;
        *)
            echo "pretrain_tpu.sh: error: $input: names the records of one phase; expected LENGTH" \
                "in place of 128 and 512" >&2
            exit 2
            ;;
    esac
    train "$recipe-128" "${input//LENGTH/128}" "$output-128" "$@"
    train "$recipe-512" "${input//LENGTH/512}" "$output-512" "$@" --init_checkpoint="$output-128"
else
    echo "pretrain_tpu.sh: error: configs/recipes has no $recipe; expected one of" \
        "$(cd configs/recipes && printf '%s ' *.flags | sed 's/\.flags//g')" >&2
    exit 2
fi
say "finished"
