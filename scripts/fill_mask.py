"""Fills the blanks of sentences with what a trained model expects there.

A blank is a run of [MASK]s, one for each piece (in Chinese, each character). Its pieces are judged
together: they are put in one after the other, each with its probability given those before, and
the product is printed. Each blank is judged while the others are still masked. With --words_file
only whole words are considered, those of as many pieces as the blank, and probabilities are among
these. The model's probabilities of single pieces, and the words' frequencies if the file has them,
decide which words are judged as wholes.

The checkpoint may be Google's, HFL's or of run_pretraining.py. With one of LERT, the tags that it
expects at each [MASK] are printed too (part of speech, named entity, dependency relation): the
likeliest, and others of at least 10 %.

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
from bert_wwm.core.choices import GELU_FORMS
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.report.examples import strip_mark
from bert_wwm.text.vocabulary import CLS, MASK, SEP, UNK

LEAST_SHOWN = 0.1  # probability of a tag

FLAGS = flags.FLAGS

flags.DEFINE_string("bert_config_file", None, "The model's shape, as JSON.")
flags.DEFINE_string("init_checkpoint", None, "The model's weights, masked LM head included.")
flags.DEFINE_multi_string("text", None, "A sentence with [MASK]s; may be given several times.")
flags.DEFINE_string(
    "words_file", None, "Words to choose from, one a line: word, or word<TAB>frequency."
)
flags.DEFINE_integer("num_candidates", 5, "How many to print for a blank.", lower_bound=1)
flags.DEFINE_integer(
    "beam_size",
    10,
    "Candidates that are followed while a blank is filled, at least --num_candidates. More find "
    "candidates with an unlikely beginning, and take longer.",
    lower_bound=1,
)
flags.DEFINE_enum("gelu", "erf", GELU_FORMS, "As in run_pretraining.py.")
flags.adopt_module_key_flags(sys.modules["bert_wwm.cli.tokenizer_flags"])
flags.mark_flags_as_required(["bert_config_file", "vocab_file", "init_checkpoint", "text"])


def main(_) -> None:
    tokenizer = make_tokenizer_from_flags()
    for text in FLAGS.text:
        if MASK not in text:
            raise ConfigError(f"--text={text}: no blank; expected {MASK} in it")
    words = read_words(FLAGS.words_file, tokenizer) if FLAGS.words_file else None

    from bert_wwm.model.bert import BertConfig
    from bert_wwm.model.checkpoint_path import read_newest, resolve
    from bert_wwm.model.fill_mask import Lexicon, MaskFiller, best_pieces, best_words

    config = BertConfig.from_json_file(FLAGS.bert_config_file).with_gelu(FLAGS.gelu)
    if config.vocab_size != len(tokenizer.vocabulary):
        raise ConfigError(
            f"{FLAGS.vocab_file} has {len(tokenizer.vocabulary)} pieces, but vocab_size of "
            f"{FLAGS.bert_config_file} is {config.vocab_size}; expected those of one model"
        )
    filler = read_newest(
        lambda: resolve(FLAGS.init_checkpoint),
        lambda prefix: MaskFiller(config, prefix),
        lambda line: print(line, file=sys.stderr),
    )
    print(f"Weights from {filler.checkpoint}", file=sys.stderr)
    if filler.note:
        print(f"  note: {filler.note}", file=sys.stderr)
    lexicon = None if words is None else Lexicon(words, config.vocab_size)
    surfaces = [strip_mark(piece) for piece in tokenizer.vocabulary.pieces]
    beam_size = max(FLAGS.beam_size, FLAGS.num_candidates)
    for text in FLAGS.text:
        ids, blanks = encode(text, tokenizer)
        if len(ids) > config.max_position_embeddings:
            raise ConfigError(
                f"--text={text[:20]}...: has {len(ids)} tokens; expected at most "
                f"{config.max_position_embeddings}"
            )
        print(text)
        for blank in blanks:
            if lexicon is None:
                found = best_pieces(filler, ids, blank, surfaces, beam_size)
            else:
                found = best_words(filler, lexicon, ids, blank, beam_size)
            print("  " + format_candidates(found[: FLAGS.num_candidates]))
            if filler.tasks:
                print_tags(filler.tags(ids, blank))


def print_tags(tags) -> None:
    """Prints a line for each [MASK] of a blank: ``[MASK] 1   pos n 0.81  v 0.12   ner O 0.99``."""
    for number, by_task in enumerate(tags, 1):
        columns = []
        for task, labels in by_task.items():
            likely = [label for label in labels if math.exp(label.log_prob) >= LEAST_SHOWN]
            columns.append(f"{task} {format_candidates(likely or labels[:1], decimals=2)}")
        print(f"    [MASK] {number}   " + "   ".join(columns))


def format_candidates(candidates, decimals=4):
    return "  ".join(f"{c.text} {math.exp(c.log_prob):.{decimals}f}" for c in candidates)


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
            raise DataError(
                f"{path}:{number}: {count!r} is not a frequency; expected word<TAB>number"
            )
        ids = [piece.id for piece in tokenizer.tokenize(word)]
        if ids and unknown not in ids:
            words[word] = ids, int(count or 1)
    return words


if __name__ == "__main__":
    app.run(main)
