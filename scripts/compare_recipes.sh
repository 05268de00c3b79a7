#!/usr/bin/env bash
# Compares ways of masking at a small size: the same text, model, number of steps and seeds.
#
#   scripts/compare_recipes.sh [OUTPUT_DIR]
#
# Takes the text, the segmenter and the vocabulary that `make demo` leaves in demo_output, and
# needs gensim for MacBERT's similar words (pip install -e ".[similar-words]"). Sequences are pairs
# of segments that follow each other, without a loss on the pair, so only the masking differs.
# Prints for each strategy the held-out loss of its own task, and of the masked language model on
# whole words masked by [MASK] alike for all, and how many of the demo's reviews each tells apart
# after fine-tuning, in percent; as mean (lowest to highest) over the seeds. PERT has no masked
# language model. Killed, it goes on where it was.
#
# NUM_TRAIN_STEPS (2000), SEEDS ("1 2 3") and STRATEGIES in the environment change the size. Each
# number of steps has models of its own in OUTPUT_DIR.
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
# A blank would end a word of the vectors' file.
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

records() { # strategy part
  local flags=(--masking_strategy="$1")
  [[ $1 == macbert ]] && flags+=(--similar_words_file="$OUT/similar_words.txt")
  [[ $1 == lert ]] && flags+=(--lert_labels=pos,ner)
  python create_pretraining_data_wwm.py --input_file="$OUT/$2.words.gz" \
    --output_file="$OUT/$2.$1.tfrecord" --segmenter=presegmented --pairing=contiguous \
    --dupe_factor=1 "${VOCAB[@]}" "${SHAPE[@]}" "${flags[@]}"
}

model_folder() { # strategy seed
  echo "$OUT/$1-$STEPS-steps-$2"
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

records wwm heldout
for strategy in "${STRATEGIES[@]}"; do
  records "$strategy" train
  records "$strategy" heldout
  for seed in "${SEEDS[@]}"; do
    model=$(model_folder "$strategy" "$seed")
    python run_pretraining.py --do_train --input_file="$OUT/train.$strategy.tfrecord" \
      --output_dir="$model" --bert_config_file="$DEMO/bert_config.json" "${SHAPE[@]}" \
      --train_batch_size=64 --num_train_steps="$STEPS" --num_warmup_steps=$((STEPS / 20)) \
      --learning_rate=2e-3 --random_seed="$seed" --log_every_steps=200 --save_checkpoints_steps=500
    [[ -e $model/on_$strategy.txt ]] || evaluate "$model" "$strategy"
    [[ -e $model/on_wwm.txt || $strategy == pert ]] || evaluate "$model" wwm
    [[ -e $model/reviews/eval_results.txt ]] || finetune "$model" "$seed"
  done
done

summary() { # strategy results measure format: mean (lowest to highest) over the seeds
  local files=()
  for seed in "${SEEDS[@]}"; do files+=("$(model_folder "$1" "$seed")/$2.txt"); done
  awk -v measure="$3" -v format="$4 ($4 to $4)" -v scale="${5:-1}" '
    $1 == measure {
      value = $3 * scale
      n += 1
      sum += value
      if (n == 1 || value < low) low = value
      if (n == 1 || value > high) high = value
    }
    END {
      if (n != ARGC - 1) {
        print "compare_recipes.sh: error: " measure " is not in each of the results" > "/dev/stderr"
        exit 1
      }
      printf format, sum / n, low, high
    }' "${files[@]}"
}

echo
echo "$STEPS steps of 64 sequences of 32 tokens, ${#SEEDS[@]} seed(s): mean (lowest to highest)"
printf '%-10s %-24s %-24s %-24s %s\n' masking "own task, loss" "whole words, loss" "accuracy" \
  "reviews, %"
for strategy in "${STRATEGIES[@]}"; do
  if [[ $strategy == pert ]]; then
    own_loss=$(summary pert on_pert position_loss %.3f)
    words_loss=-
    accuracy=-
  else
    own_loss=$(summary "$strategy" "on_$strategy" masked_lm_loss %.3f)
    words_loss=$(summary "$strategy" on_wwm masked_lm_loss %.3f)
    accuracy=$(summary "$strategy" on_wwm masked_lm_accuracy %.3f)
  fi
  reviews=$(summary "$strategy" reviews/eval_results eval_accuracy %.1f 100)
  printf '%-10s %-24s %-24s %-24s %s\n' "$strategy" "$own_loss" "$words_loss" "$accuracy" "$reviews"
done
