"""Flags for how text becomes pieces."""

from absl import flags

from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

FLAGS = flags.FLAGS

flags.DEFINE_string("vocab_file", None, "The model's vocabulary, one piece a line.")
flags.DEFINE_bool(
    "do_lower_case", True, "Lower-case and strip accents, as uncased models want (all Chinese do)."
)
flags.DEFINE_enum(
    "tokenizer",
    "google",
    ["google", "hfl"],
    "google: google-research/bert's. hfl: HFL's variant (LERT), which also drops private-use and "
    "unassigned characters.",
)


def make_tokenizer_from_flags() -> Tokenizer:
    """The tokenizer of --vocab_file, --do_lower_case and --tokenizer."""
    vocabulary = Vocabulary.from_file(FLAGS.vocab_file)
    return Tokenizer(vocabulary, FLAGS.do_lower_case, drop_category_c=FLAGS.tokenizer == "hfl")
