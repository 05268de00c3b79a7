"""Fills the blanks of sentences with what a trained model expects there.

A blank is a run of [MASK]s, one for each piece (in Chinese, each character). With --words_file only
whole words are considered: those that have as many pieces as the blank. Their frequencies, if the
file has them, are weighed against what the model says of each piece.

Example:
  python scripts/fill_mask.py --bert_config_file=bert_config.json --vocab_file=vocab.txt \\
      --init_checkpoint=models/wiki/model.ckpt-100000 --text="今天[MASK][MASK]很好。"
"""

import math
import re
import sys

from absl import flags

from bert_wwm.cli import app
from bert_wwm.cli.tokenizer_flags import make_tokenizer_from_flags
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.text.vocabulary import CLS, MASK, SEP, UNK

FLAGS = flags.FLAGS

flags.DEFINE_string("bert_config_file", None, "The model's shape, as JSON.")
flags.DEFINE_string("init_checkpoint", None, "The model's weights, masked LM head included.")
flags.DEFINE_multi_string("text", None, "A sentence with [MASK]s; may be given several times.")
flags.DEFINE_string(
    "words_file", None, "Words to choose from, one a line: word, or word<TAB>frequency."
)
flags.DEFINE_integer("num_candidates", 5, "How many to print for a blank.", lower_bound=1)
flags.DEFINE_enum("gelu", "erf", ["erf", "tanh"], "As in run_pretraining.py.")
flags.adopt_module_key_flags(sys.modules["bert_wwm.cli.tokenizer_flags"])
flags.mark_flags_as_required(["bert_config_file", "vocab_file", "init_checkpoint", "text"])


def main(_) -> None:
    tokenizer = make_tokenizer_from_flags()
    for text in FLAGS.text:
        if MASK not in text:
            raise ConfigError(f"--text={text}: no blank; expected {MASK} where to fill in")
    words = read_words(FLAGS.words_file, tokenizer) if FLAGS.words_file else None

    from bert_wwm.model.bert import BertConfig
    from bert_wwm.model.fill_mask import Lexicon, MaskFiller, best_pieces

    config = BertConfig.from_json_file(FLAGS.bert_config_file).with_gelu(FLAGS.gelu)
    if config.vocab_size != len(tokenizer.vocabulary):
        raise ConfigError(
            f"{FLAGS.vocab_file} has {len(tokenizer.vocabulary)} pieces, but vocab_size of "
            f"{FLAGS.bert_config_file} is {config.vocab_size}; expected those of one model"
        )
    filler = MaskFiller(config, FLAGS.init_checkpoint)
    lexicon = None if words is None else Lexicon(words, config.vocab_size)
    for text in FLAGS.text:
        ids, blanks = encode(text, tokenizer)
        if len(ids) > config.max_position_embeddings:
            raise ConfigError(
                f"--text={text[:20]}...: has {len(ids)} tokens; expected at most "
                f"{config.max_position_embeddings}"
            )
        log_probs = filler.log_probs(ids, [position for blank in blanks for position in blank])
        print(text)
        row = 0
        for blank in blanks:
            rows = log_probs[row : row + len(blank)]
            row += len(blank)
            if lexicon is None:
                found = best_pieces(rows, tokenizer.vocabulary.pieces, FLAGS.num_candidates)
            else:
                found = lexicon.best(rows, FLAGS.num_candidates)
            print("  " + "  ".join(f"{c.text} {math.exp(c.log_prob):.4f}" for c in found))


def encode(text, tokenizer):
    """Returns the ids of a sentence, and the positions of each of its blanks."""
    ids = [tokenizer.vocabulary.ids[CLS]]
    blanks = []
    for part in re.split(rf"((?:{re.escape(MASK)})+)", text):
        count = part.count(MASK)
        if count and part == MASK * count:
            blanks.append(range(len(ids), len(ids) + count))
            ids.extend([tokenizer.vocabulary.ids[MASK]] * count)
        else:
            ids.extend(piece.id for piece in tokenizer.tokenize(part))
    return [*ids, tokenizer.vocabulary.ids[SEP]], blanks


def read_words(path, tokenizer):
    """Returns the pieces' ids and the frequency of each word that the vocabulary can spell."""
    words = {}
    unknown = tokenizer.vocabulary.ids[UNK]
    for number, line in enumerate(files.read_lines(path), 1):
        word, _, count = line.partition("\t")
        if count and not (count.isdecimal() and int(count)):
            raise DataError(f"{path}:{number}: {count!r} is no frequency; expected word<TAB>number")
        ids = [piece.id for piece in tokenizer.tokenize(word)]
        if ids and unknown not in ids:
            words[word] = ids, int(count or 1)
    return words


if __name__ == "__main__":
    app.run(main)
