"""Trains an LTP perceptron model for --ltp_model from text of ``word/tag`` tokens.

    python scripts/train_ltp_model.py --input_file=199801.txt --output_dir=ltp_model

Input: one sentence a line, tags of PKU's set, as in the People's Daily of January 1998. The folder
also works with LTP itself: ltp.LTP("ltp_model").
"""

from absl import flags

from bert_wwm.cli import app
from bert_wwm.core import files
from bert_wwm.segmentation import ltp_training

FLAGS = flags.FLAGS

flags.DEFINE_list("input_file", None, "Files of word/tag tokens: paths or globs, with commas.")
flags.DEFINE_string("output_dir", None, "The folder to write the model to.")
flags.DEFINE_list(
    "tasks", list(ltp_training.TASKS), "What to train: cws (words), pos (tags), ner (names)."
)
flags.DEFINE_integer("num_epochs", 5, "Passes over the text.", lower_bound=1)
flags.DEFINE_float("heldout_fraction", 0.05, "How much of the text to score instead (0 to 1).")
flags.DEFINE_integer("random_seed", 12345, "Of the held-out choice and the order of the text.")
flags.DEFINE_integer(
    "num_processes",
    0,
    "How many tasks to train at the same time; 0: one for each CPU core.",
    lower_bound=0,
)
flags.mark_flags_as_required(["input_file", "output_dir"])


def main(_) -> None:
    results = ltp_training.train(
        files.find(FLAGS.input_file),
        FLAGS.output_dir,
        tasks=FLAGS.tasks,
        num_epochs=FLAGS.num_epochs,
        heldout_fraction=FLAGS.heldout_fraction,
        random_seed=FLAGS.random_seed,
        num_processes=FLAGS.num_processes,
        report=lambda line: print(line, flush=True),
    )
    print(ltp_training.format_table(results))
    print(f"wrote {FLAGS.output_dir}; use it with --ltp_model={FLAGS.output_dir}")


if __name__ == "__main__":
    app.run(main)
