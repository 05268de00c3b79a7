"""Flags for how text becomes pieces."""

from absl import flags

from bert_wwm.text.casing import choose_casing
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

FLAGS = flags.FLAGS

flags.DEFINE_string("vocab_file", None, "The model's vocabulary, one piece a line.")
flags.DEFINE_bool(
    "do_lower_case",
    None,
    "Lower-case and strip accents, as uncased models need. By default as the model's "
    "configuration says, or tokenizer_config.json beside --vocab_file, or else True (all Chinese "
    "models are uncased).",
)
flags.DEFINE_enum(
    "tokenizer",
    "google",
    ["google", "hfl"],
    "google: google-research/bert's. hfl: HFL's variant (LERT), which also drops private-use and "
    "unassigned characters.",
)


def make_tokenizer_from_flags() -> Tokenizer:
    """Makes the tokenizer of --vocab_file, --do_lower_case and --tokenizer."""
    vocabulary = Vocabulary.from_file(FLAGS.vocab_file)
    model = {
        name: FLAGS[name].value if name in FLAGS else None
        for name in ("bert_config_file", "init_checkpoint")
    }
    do_lower_case = choose_casing(
        FLAGS.do_lower_case, model["bert_config_file"], FLAGS.vocab_file, model["init_checkpoint"]
    )
    return Tokenizer(vocabulary, do_lower_case, drop_category_c=FLAGS.tokenizer == "hfl")
