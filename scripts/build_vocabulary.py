"""Builds a vocab.txt from text, for those who train from scratch.

Whoever continues the pretraining of a released model keeps its vocabulary.

Example:
  python scripts/build_vocabulary.py --input_file=corpus/*.txt --output_file=vocab.txt
"""

from absl import flags

from bert_wwm.cli import app
from bert_wwm.core import files, input_files
from bert_wwm.core.errors import DataError, list_few
from bert_wwm.core.progress import Progress
from bert_wwm.corpus.documents import read_documents
from bert_wwm.text.wordpiece_training import build_vocabulary, count_words

FLAGS = flags.FLAGS

flags.DEFINE_list(
    "input_file", None, "Text files: paths or globs, separated by commas; .gz is decompressed."
)
flags.DEFINE_string("output_file", None, "The vocabulary to write, one piece a line.")
flags.DEFINE_bool("do_lower_case", True, "Lower-case and strip accents.")
flags.DEFINE_integer(
    "vocab_size",
    21128,
    "Maximum number of pieces; the default is the size of Google's Chinese vocabulary.",
)
flags.DEFINE_integer("min_count", 2, "A piece has to occur this often.", lower_bound=1)
flags.DEFINE_integer(
    "num_unused", 99, "Number of [unusedN] pieces, places for words to come.", lower_bound=0
)
flags.mark_flags_as_required(["input_file", "output_file"])


def main(_) -> None:
    inputs = files.find(FLAGS.input_file)
    counts = count_words(read_sentences(inputs), FLAGS.do_lower_case)
    if not counts:
        raise DataError(f"{list_few(inputs)}: no text; expected one sentence a line")
    pieces = build_vocabulary(counts, FLAGS.vocab_size, FLAGS.min_count, FLAGS.num_unused)
    input_files.check_unchanged()
    files.write_text(FLAGS.output_file, "".join(f"{piece}\n" for piece in pieces))
    print(f"Wrote {len(pieces):,} pieces to {FLAGS.output_file}")


def read_sentences(inputs):
    done = 0
    with Progress("words", sum(files.text_size(path) for path in inputs)) as progress:
        for document in read_documents(inputs):
            yield from document.sentences
            done += document.size
            progress.update(done)


if __name__ == "__main__":
    app.run(main)
