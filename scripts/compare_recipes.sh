#!/usr/bin/env bash
# Compares the masking strategies at a small size: the same text, model, number of steps and seeds.
#
#   scripts/compare_recipes.sh [OUTPUT_DIR]
#
# Uses the text, the segmenter and the vocabulary that `make demo` leaves in demo_output. MacBERT's
# similar words need gensim (pip install -e ".[similar-words]"). Sequences are pairs of consecutive
# segments, without a loss on the pair, so only the masking differs. Prints for each strategy the
# held-out loss of its own task; loss and accuracy on the same whole words, masked by [MASK], for
# all; and the accuracy on the demo's reviews after fine-tuning, in percent. PERT has no masked
# language model. The same command resumes an interrupted run.
#
# NUM_TRAIN_STEPS (2000), SEEDS ("1 2 3") and STRATEGIES in the environment change the size. Each
# number of steps has its own models in OUTPUT_DIR.
set -euo pipefail
cd "$(dirname "$0")/.."

OUT=${1:-compare_output}
DEMO=${DEMO:-demo_output}
STEPS=${NUM_TRAIN_STEPS:-2000}
read -ra SEEDS <<<"${SEEDS:-1 2 3}"
read -ra STRATEGIES <<<"${STRATEGIES:-piece wwm ngram macbert pert lert}"
SHAPE=(--max_seq_length=32 --max_predictions_per_seq=5)
VOCAB=(--vocab_file="$DEMO/vocab.txt")

if [[ ! -e $DEMO/vocab.txt ]]; then
  echo "compare_recipes.sh: error: $DEMO/vocab.txt is missing; run 'make demo' first" >&2
  exit 1
fi
mkdir -p "$OUT"

for part in train heldout; do
  python scripts/segment_corpus.py --input_file="$DEMO/$part.txt" \
    --output_file="$OUT/$part.words.gz" --segmenter=ltp --ltp_model="$DEMO/ltp" --annotate=pos,ner
done

if [[ ! -e $OUT/similar_words.txt ]]; then
  python - "$OUT/train.words.gz" "$OUT/vectors.txt" <<'PYTHON'
import gzip, json, sys
from gensim.models import Word2Vec

with gzip.open(sys.argv[1], "rt", encoding="utf-8") as lines:
    entries = [json.loads(line) for line in lines if line.strip()]
# A space would end a word of the vectors' file.
sentences = [
    [word for word in entry["words"] if not any(map(str.isspace, word))]
    for entry in entries
    if "words" in entry
]
model = Word2Vec(sentences, vector_size=100, min_count=3, epochs=5, workers=1, seed=1)
model.wv.save_word2vec_format(sys.argv[2])
PYTHON
  python scripts/make_similar_words.py --word2vec_file="$OUT/vectors.txt" "${VOCAB[@]}" \
    --output_file="$OUT/similar_words.txt"
fi

make_records() { # strategy part
  local flags=(--masking_strategy="$1")
  [[ $1 == macbert ]] && flags+=(--similar_words_file="$OUT/similar_words.txt")
  [[ $1 == lert ]] && flags+=(--lert_labels=pos,ner)
  python create_pretraining_data_wwm.py --input_file="$OUT/$2.words.gz" \
    --output_file="$OUT/$2.$1.tfrecord" --segmenter=presegmented --pairing=contiguous \
    --dupe_factor=1 "${VOCAB[@]}" "${SHAPE[@]}" "${flags[@]}"
}

evaluate() { # model strategy-of-the-records
  python run_pretraining.py --do_eval --input_file="$OUT/heldout.$2.tfrecord" --output_dir="$1" \
    --bert_config_file="$DEMO/bert_config.json" "${SHAPE[@]}" --eval_batch_size=64 \
    --max_eval_steps=1000 >/dev/null
  mv "$1/eval_results.txt" "$1/on_$2.txt"
}

finetune() { # model seed
  python run_classifier.py --task_name=tsv --text_columns=text --label_column=label \
    --data_dir="$DEMO/reviews" --feature_dir="$OUT/reviews" --output_dir="$1/reviews" \
    --bert_config_file="$DEMO/bert_config.json" "${VOCAB[@]}" --init_checkpoint="$1" --do_train \
    --do_eval --train_batch_size=64 --num_train_epochs=2 --learning_rate=3e-4 --random_seed="$2"
}

make_records wwm heldout
for strategy in "${STRATEGIES[@]}"; do
  make_records "$strategy" train
  make_records "$strategy" heldout
  for seed in "${SEEDS[@]}"; do
    model=$OUT/$strategy-$STEPS-steps-$seed
    python run_pretraining.py --do_train --input_file="$OUT/train.$strategy.tfrecord" \
      --output_dir="$model" --bert_config_file="$DEMO/bert_config.json" "${SHAPE[@]}" \
      --train_batch_size=64 --num_train_steps="$STEPS" --num_warmup_steps=$((STEPS / 20)) \
      --learning_rate=2e-3 --random_seed="$seed" --log_every_steps=200 --save_checkpoints_steps=500
    [[ -e $model/on_$strategy.txt ]] || evaluate "$model" "$strategy"
    [[ -e $model/on_wwm.txt || $strategy == pert ]] || evaluate "$model" wwm
    [[ -e $model/reviews/eval_results.txt ]] || finetune "$model" "$seed"
  done
done

python - "$OUT" "$STEPS" "${SEEDS[*]}" "${STRATEGIES[@]}" <<'PYTHON'
import pathlib, sys

out, steps, seeds, *strategies = sys.argv[1:]


def cell(strategy, results, measure, digits=3, scale=1):
    """Returns a measure's mean (lowest to highest) over the seeds."""
    values = []
    for seed in seeds.split():
        path = pathlib.Path(out, f"{strategy}-{steps}-steps-{seed}", f"{results}.txt")
        found = dict(line.split(" = ") for line in path.read_text().splitlines())
        values.append(scale * float(found[measure]))
    shown = [f"{value:.{digits}f}" for value in (sum(values) / len(values), min(values), max(values))]
    return "{} ({} to {})".format(*shown)


row = "{:<10} {:<24} {:<24} {:<24} {}".format
print(f"\n{steps} steps of 64 sequences of 32 tokens, {len(seeds.split())} seed(s):", end=" ")
print("mean (lowest to highest)")
print(row("masking", "own task, loss", "whole words, loss", "accuracy", "reviews, %"))
for strategy in strategies:
    own_loss, words_loss, accuracy = "position_loss", "-", "-"
    if strategy != "pert":
        own_loss = "masked_lm_loss"
        words_loss = cell(strategy, "on_wwm", "masked_lm_loss")
        accuracy = cell(strategy, "on_wwm", "masked_lm_accuracy")
    reviews = cell(strategy, "reviews/eval_results", "eval_accuracy", digits=1, scale=100)
    print(row(strategy, cell(strategy, f"on_{strategy}", own_loss), words_loss, accuracy, reviews))
PYTHON
