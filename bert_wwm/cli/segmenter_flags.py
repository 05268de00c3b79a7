"""Flags for how sentences become words."""

from absl import flags

from bert_wwm.text import ltp
from bert_wwm.text.segmenters import SEGMENTERS, Segmenter, make_segmenter

FLAGS = flags.FLAGS

flags.DEFINE_enum("segmenter", "ltp", SEGMENTERS.names(), "What cuts sentences into words.")
flags.DEFINE_string(
    "ltp_model",
    ltp.DEFAULT_MODEL,
    "For --segmenter=ltp: a model's folder, or its name on the Hugging Face hub (LTP/legacy, "
    "LTP/tiny, LTP/small, LTP/base, ...).",
)


def make_segmenter_from_flags() -> Segmenter:
    """The segmenter of --segmenter and --ltp_model."""
    return make_segmenter(FLAGS.segmenter, ltp_model=FLAGS.ltp_model)
