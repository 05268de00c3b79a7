"""Makes the file of similar words that MacBERT's masking needs, from word vectors.

Reads vectors in word2vec's format, text or binary, most frequent words first. Writes a line for
each word: the word, a tab, and the words nearest to it by cosine, best first, separated by
spaces. With --vocab_file the nearest words have the same number of pieces, as masking needs them.

Example:
  python scripts/make_similar_words.py --word2vec_file=vectors.txt.gz --vocab_file=vocab.txt \\
      --output_file=similar_words.txt
"""

import collections
import gzip
import logging
import os
import zlib

import numpy as np
from absl import flags

from bert_wwm.cli import app, tokenizer_flags
from bert_wwm.core import files, input_files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.progress import Progress
from bert_wwm.text.vocabulary import UNK

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "word2vec_file", None, "Word vectors in word2vec's format, text or binary; may be .gz."
)
flags.DEFINE_bool(
    "binary", None, "Whether the vectors are binary; found out by the first of them if not given."
)
flags.DEFINE_string("output_file", None, "The file of similar words to write.")
flags.adopt_module_key_flags(tokenizer_flags)
flags.DEFINE_integer("num_similar", 10, "Maximum number of similar words of a word.", lower_bound=1)
flags.DEFINE_float(
    "min_similarity",
    0.5,
    "Least cosine of similar words. The default is ours: MacBERT's paper names none.",
    lower_bound=-1,
    upper_bound=1,
)
flags.DEFINE_integer(
    "max_words",
    200000,
    "Read so many vectors from the start of the file, 0: all. 100,000 words of 200 dimensions take "
    "a minute or two, and the time grows with the square.",
    lower_bound=0,
)
flags.mark_flags_as_required(["word2vec_file", "output_file"])

_BLOCK = 1 << 25  # similarities that are computed at a time; 128 MB
_FEW = 200  # words near a word that are sorted without a choice of the best
_DIGITS = 6  # of a similarity that count: float32 holds no more, and sums in any order


def main(_) -> None:
    inputs = filter(None, (FLAGS.word2vec_file, FLAGS.vocab_file))
    if any(files.same(FLAGS.output_file, path) for path in inputs):
        raise ConfigError(f"--output_file: {FLAGS.output_file} is an input; expected another file")
    if not FLAGS.output_file or FLAGS.output_file.endswith(".gz"):
        raise ConfigError(
            f"--output_file={FLAGS.output_file}: expected the name of a plain text file to write"
        )
    tokenizer = tokenizer_flags.make_tokenizer_from_flags() if FLAGS.vocab_file else None
    words, vectors = read_vectors(FLAGS.word2vec_file, FLAGS.binary, FLAGS.max_words)
    kept, dropped = choose_words(words, vectors, tokenizer)
    similar = find_similar(kept, vectors, FLAGS.num_similar, FLAGS.min_similarity)
    lines = [f"{words[i]}\t{' '.join(words[j] for j in similar[i])}" for i in sorted(similar)]
    input_files.check_unchanged()
    files.write_text(FLAGS.output_file, "".join(f"{line}\n" for line in lines))
    print(f"{len(words):,} words read")
    for reason, count in dropped.most_common():
        print(f"{count:,} words {reason} dropped")
    counts = [len(numbers) for numbers in similar.values() if len(numbers)]
    print(
        f"{len(similar):,} words kept, {len(counts):,} with at least one similar word, "
        f"{np.mean(counts or [0]):.1f} on average"
    )
    with_similar = [line for line in lines if not line.endswith("\t")]
    for quarter in (1, 2, 3):
        print("".join(with_similar[quarter * len(with_similar) // 4 :][:1]).replace("\t", ": "))
    print(f"Wrote {len(lines):,} words to {FLAGS.output_file}")


def read_vectors(path, binary, max_words):
    """Reads a local file of word2vec's format; gensim's own, which would be unpickled, are refused.

    Returns the words, and their vectors: float32 [words, dimensions].
    """
    if files.is_remote(path):
        raise ConfigError(f"--word2vec_file={path}: expected a file of this machine")
    try:
        from gensim.models import KeyedVectors
    except ImportError:
        raise ConfigError(
            "reading word vectors needs the package gensim; pip install -e '.[similar-words]'"
        ) from None
    logging.getLogger("gensim").setLevel(logging.ERROR)
    input_files.note(path)
    try:
        if binary is None:
            binary = looks_binary(path)
        loaded = KeyedVectors.load_word2vec_format(
            os.path.abspath(path),
            binary=binary,
            limit=max_words or None,
            unicode_errors="replace",  # word2vec cuts long words in the midst of a character
        )
    # What gensim raises where the format is another, the file is cut short, or gzip data broken.
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path}: gensim can't read this ({error}); expected whole "
            f"{'binary' if binary else 'text'} word vectors in word2vec's format"
        ) from None
    if not loaded.index_to_key:
        raise DataError(f"{path}: holds no words; expected word vectors")
    return loaded.index_to_key, loaded.vectors


def looks_binary(path) -> bool:
    """True where the line after the header isn't a word and as many numbers as the header says."""
    with files.open_binary(path) as stream:
        header = stream.readline(100)
        try:
            _, dimensions = (int(number) for number in header.split())
        except ValueError:
            raise DataError(
                f"{path}:1: {header[:30]!r} is not a header of word vectors; expected the numbers "
                "of words and dimensions"
            ) from None
        numbers = stream.readline(1000 + 100 * dimensions).rstrip().split(b" ")[1:]
    try:
        return len([float(number) for number in numbers]) != dimensions
    except ValueError:
        return True


def choose_words(words, vectors, tokenizer):
    """Returns lists of the numbers of words that may be similar to each other.

    There is one for each number of pieces, or one without a tokenizer. Returns too how many words
    were dropped, by reason.
    """
    good = np.isfinite(vectors).all(axis=1) & vectors.any(axis=1)
    kept, dropped = collections.defaultdict(list), collections.Counter()
    seen = set()
    for number, word in enumerate(words):
        if word.split() != [word]:
            dropped["with spaces"] += 1
        elif "\ufffd" in word:
            dropped["not UTF-8"] += 1
        elif not good[number]:
            dropped["with a vector of no direction"] += 1
        elif tokenizer is None:
            kept[0].append(number)
        else:
            pieces = tuple(piece.id for piece in tokenizer.tokenize(word))
            if not pieces or tokenizer.vocabulary.ids[UNK] in pieces:
                dropped["not in the vocabulary's pieces"] += 1
            elif pieces in seen:
                dropped["of the pieces of another"] += 1
            else:
                seen.add(pieces)
                kept[len(pieces)].append(number)
    return list(kept.values()), dropped


def find_similar(groups, vectors, num_similar, min_similarity):
    """Returns for the number of each word those of the words of its group nearest to it."""
    similar = {}
    done = 0
    with Progress("similar words", sum(len(group) ** 2 for group in groups)) as progress:
        for group in groups:
            numbers = np.array(group)
            directions = vectors[numbers]
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
            found = find_nearest(directions, num_similar, min_similarity)
            for number, rows in zip(group, found):
                similar[number] = numbers[rows]
                done += len(group)
                progress.update(done, f"{len(similar):,} words")
    return similar


def find_nearest(vectors, most, least):
    """Yields for each vector the rows of the others nearest to it by cosine, best first.

    The vectors, float32 [words, dimensions], have length 1. There are at most ``most`` rows, of a
    cosine of at least ``least``; equal ones are in order.
    """
    slack = 10.0**-_DIGITS
    size = max(1, _BLOCK // len(vectors))
    for start in range(0, len(vectors), size):
        cosines = vectors[start : start + size] @ vectors.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -2  # itself
        floor = np.full(len(cosines), least, np.float32)
        # To partition a row costs as much as its cosines, to sort a few next to nothing.
        many = np.flatnonzero(np.count_nonzero(cosines >= least, axis=1) > max(most, _FEW))
        if len(many):
            floor[many] = np.partition(cosines[many], -most, axis=1)[:, -most]
        near = np.flatnonzero(cosines >= floor[:, None] - slack)
        row, column = np.divmod(near, len(vectors))  # several times as fast as np.nonzero
        cosine = np.round(cosines[row, column], _DIGITS)
        enough = cosine >= least
        row, column, cosine = row[enough], column[enough], cosine[enough]
        order = np.lexsort((column, -cosine, row))
        ends = np.searchsorted(row[order], rows[1:])
        for columns in np.split(column[order], ends):
            yield columns[:most]


if __name__ == "__main__":
    app.run(main)
