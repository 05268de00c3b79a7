#!/usr/bin/env bash
# Trains a recipe on a Cloud TPU VM, and starts the training again when it fails.
#
# Usage: scripts/pretrain_tpu.sh RECIPE TPU_NAME INPUT OUTPUT [FLAG ...]
#
#   RECIPE     a recipe of configs/recipes, such as rbt3; bert-wwm, bert-wwm-ext and
#              english-bert-large-wwm run both phases, -128 and -512, one after the other
#   TPU_NAME   "local" on a single machine (v2-8, v3-8, v4-8); on a pod's machines, the pod's name
#   INPUT      the records, such as 'gs://BUCKET/records/roberta-wwm-512.tfrecord-*'; for two
#              phases with LENGTH in place of 128 and 512
#   OUTPUT     the folder of the checkpoints; two phases write OUTPUT-128 and OUTPUT-512
#   FLAG       flags of run_pretraining.py, which override the recipe's. Two phases both get them,
#              except --init_checkpoint: the second phase starts from the first
#
# Environment:
#   NUM_TPU_CORES   8 by default, as a v3-8 has; a v3-32 has 32
#   PAUSE           seconds before it starts again, 60 by default
#
# configs/README.md says how to make the machines, and when a run is not started again. Not yet run
# on a TPU.
set -u

if [ $# -lt 4 ]; then
    sed -n '2,/^set -u/{/^#/s/^# \{0,1\}//p;}' "$0" >&2
    exit 2
fi

# Prints a path that is valid in another folder too.
absolute() {
    case $1 in
        /* | gs://*) echo "$1" ;;
        *) echo "$PWD/$1" ;;
    esac
}

recipe=$1 tpu_name=$2 input=$(absolute "$3") output=$(absolute "${4%/}")
shift 4

cd "$(dirname "$0")/.." || exit 1
cores=${NUM_TPU_CORES:-8}
pause=${PAUSE:-60}
metadata=http://metadata.google.internal/computeMetadata/v1/instance/attributes/agent-worker-number
words=$(mktemp) || exit 1
child='' stopped=''
trap 'rm -f "$words"' EXIT
trap 'stopped=yes; if [ -n "$child" ]; then kill -TERM "$child" 2>/dev/null; fi' INT TERM

say() {
    echo "pretrain_tpu.sh: $(date '+%Y-%m-%d %H:%M:%S') $*" >&2
}

refuse() {
    echo "pretrain_tpu.sh: error: $*" >&2
    exit 2
}

# Runs a command once, and keeps what it writes to standard error in the file $words.
attempt() {
    local status tee
    exec 3> >(trap '' INT TERM && exec tee "$words" >&2) # outlives the command
    tee=$!
    "$@" 2>&3 3>&- & # in the background, as bash handles signals only while it waits
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

# True if the last attempt failed for a reason that the next one would fail for too.
is_wrong() {
    local lines='^run_pretraining\.py: error: |Flags parsing error'
    lines+='|^(ImportError|ModuleNotFoundError): '
    grep -E "$lines" "$words" | grep -qvF '[Errno '
}

# Runs a command until it ends with status 0; ends the script if it never would.
persist() {
    local status
    while [ -z "$stopped" ]; do
        attempt "$@"
        status=$?
        case $status in
            0) return ;;
            130 | 143) break ;;
        esac
        if [ "$status" = 1 ] && is_wrong; then
            say "stops: the next attempt would end in the same way"
            exit 1
        fi
        [ -z "$stopped" ] || break
        say "ended with status $status; starts again in $pause s"
        sleep "$pause" &
        child=$!
        wait "$child"
        child=''
    done
    say "interrupted; run the same command again to resume"
    exit 143
}

# train RECIPE INPUT OUTPUT [further flags]
train() {
    local flagfile=configs/recipes/$1.flags input=$2 output=$3
    shift 3
    say "$flagfile to $output"
    set -- --input_file="$input" --output_dir="$output" --use_tpu --tpu_name="$tpu_name" \
        --num_tpu_cores="$cores" --eval_batch_size="$cores" "$@" # both have to fit the cores
    persist python run_pretraining.py --flagfile="$flagfile" "$@"
}

if [ "$tpu_name" != local ]; then
    for place in "$input" "$output"; do
        [[ $place == gs://* ]] || refuse "$place: is on a machine's own disk; expected a bucket" \
            "(gs://...), which all machines of a pod can read"
    done
    worker=$(curl --silent --fail --max-time 10 --header 'Metadata-Flavor: Google' "$metadata") ||
        refuse "this is not a machine of a TPU: $metadata can't be read; expected \"local\" for" \
            "TPU_NAME, or a machine of the pod $tpu_name"
    if [ "$worker" != 0 ]; then
        say "machine $worker of $tpu_name; machine 0 trains with it"
        exit 0
    fi
    export TPU_LOAD_LIBRARY=0 # the TPU is the service's
fi
if [ -f "configs/recipes/$recipe.flags" ]; then
    train "$recipe" "$input" "$output" "$@"
elif [ -f "configs/recipes/$recipe-128.flags" ]; then
    [[ $input == *LENGTH* ]] || refuse "$input: names the records of one phase; expected LENGTH in" \
        "place of 128 and 512"
    train "$recipe-128" "${input//LENGTH/128}" "$output-128" "$@"
    train "$recipe-512" "${input//LENGTH/512}" "$output-512" "$@" --init_checkpoint="$output-128"
else
    refuse "configs/recipes has no $recipe; expected one of" \
        "$(cd configs/recipes && printf '%s ' *.flags | sed 's/\.flags//g')"
fi
say "finished"
