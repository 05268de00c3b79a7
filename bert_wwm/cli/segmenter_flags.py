"""Flags for how sentences become words."""

from absl import flags

from bert_wwm.segmentation import ltp
from bert_wwm.segmentation.segmenters import SEGMENTERS, Segmenter, make_segmenter

FLAGS = flags.FLAGS

flags.DEFINE_enum(
    "segmenter",
    "ltp",
    SEGMENTERS.names(),
    "How sentences are cut into words. ltp: LTP 4; rjieba: jieba; presegmented: a corpus of "
    "scripts/segment_corpus.py, or text whose words are separated by spaces; characters: every "
    "character by itself; none: WordPiece alone, for English whole word masking.",
)
flags.DEFINE_string(
    "ltp_model",
    ltp.DEFAULT_MODEL,
    "For --segmenter=ltp: a model's folder, or its name on the Hugging Face hub (LTP/legacy, "
    "LTP/tiny, LTP/small, LTP/base, ...).",
)
flags.DEFINE_string(
    "ltp_device",
    None,
    "For --segmenter=ltp with a neural model (LTP/tiny, ...): PyTorch's name of the device that it "
    "runs on (cpu, cuda, cuda:1); by default the GPU if there is one. LTP/legacy needs none.",
)
flags.DEFINE_integer(
    "ltp_batch_size",
    ltp.DEFAULT_BATCH_SIZE,
    "For --segmenter=ltp with a neural model: sentences that it reads at a time. More are faster "
    "on a GPU, and take more of its memory.",
    lower_bound=1,
)


def make_segmenter_from_flags() -> Segmenter:
    """Makes the segmenter of --segmenter and the --ltp flags, for one core: workers run it."""
    return make_segmenter(
        FLAGS.segmenter,
        FLAGS.ltp_model,
        parallelism=False,
        ltp_device=FLAGS.ltp_device,
        ltp_batch_size=FLAGS.ltp_batch_size,
    )
