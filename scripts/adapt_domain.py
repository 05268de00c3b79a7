"""Adapts a released model to a folder of texts: continued pretraining in one command.

Cleans the texts and splits them into sentences, holds out one document in twenty, finds words with
LTP, masks whole words, continues pretraining with the flags of --recipe, and compares the model
before and after on the held-out documents. Every step is a program of the toolkit, printed as one
would type it. Leaves in --output_dir:

  hugging_face/  the adapted model for transformers
  tensorflow/    the same for this toolkit and google-research/bert
  summary.txt    loss and accuracy on masked words, before and after
  training/      checkpoints, TensorBoard's events and learning_curve.png

The same command resumes an interrupted run; --overwrite begins again.

Only the masked language model is trained. A head for pairs of sentences is dropped, as it would no
longer fit the encoder. The weights with the lowest held-out loss are kept, so that the texts aren't
learned by heart.

Example:
  python scripts/adapt_domain.py --input_file='texts/*.txt' --model=hfl/chinese-bert-wwm-ext \\
      --output_dir=adapted
"""

import math
import os

from absl import flags

from bert_wwm.cli import app, checkpoint_flags, same_run, segmenter_flags
from bert_wwm.cli.recipes import read_recipe
from bert_wwm.cli.run_folder import RunFolder, open_run_folder
from bert_wwm.cli.steps import ROOT, Steps
from bert_wwm.convert.forms import find_source
from bert_wwm.core import files
from bert_wwm.core.errors import CheckpointError, ConfigError, DataError
from bert_wwm.core.input_files import read_version
from bert_wwm.core.json_files import read_object
from bert_wwm.core.workers import default_num_workers
from bert_wwm.data.held_out import hold_out
from bert_wwm.records.framing import count_records

FLAGS = flags.FLAGS

flags.DEFINE_list("input_file", None, "The texts: folders, paths or globs, separated by commas.")
flags.DEFINE_string(
    "model",
    None,
    "The model to start from: a name on the Hugging Face hub, a folder of Hugging Face's or with a "
    "TensorFlow checkpoint, a checkpoint's prefix, or a release's .zip, for TensorFlow or PyTorch.",
)
flags.DEFINE_string(
    "bert_config_file", None, "Of a TensorFlow checkpoint; by default the one beside it."
)
flags.DEFINE_string(
    "vocab_file", None, "Of a TensorFlow checkpoint; by default vocab.txt beside it."
)
flags.DEFINE_string("output_dir", None, "Where everything goes.")
flags.DEFINE_bool("overwrite", False, "Begin again: remove what an earlier run left there.")
flags.DEFINE_string(
    "input_format", "auto", "Of the texts, as for scripts/prepare_text.py: text, jsonl, csv, ..."
)
flags.DEFINE_string("text_field", "text", "The JSON field or CSV column of the text.")
flags.DEFINE_string(
    "documents", "blank_line", "What separates documents of plain text: blank_line, line or file."
)
flags.adopt_module_key_flags(segmenter_flags)
flags.DEFINE_integer(
    "dupe_factor", 5, "How many times each text is masked, each time differently.", lower_bound=1
)
flags.DEFINE_string(
    "recipe",
    os.path.join("configs", "recipes", "continue-pretraining.flags"),
    "Flags of run_pretraining.py: learning rate, batch, hardware and so on.",
)
flags.DEFINE_integer(
    "max_seq_length",
    None,
    "Tokens of a sequence; by default the recipe's, or the model's if it has fewer.",
    lower_bound=8,
)
flags.DEFINE_integer("train_batch_size", None, "By default the recipe's.", lower_bound=1)
flags.DEFINE_float("learning_rate", None, "The peak; by default the recipe's.", lower_bound=0.0)
flags.DEFINE_integer(
    "num_train_steps", None, "By default each masked text is seen once.", lower_bound=1
)
flags.DEFINE_integer(
    "num_workers", default_num_workers(), "Processes; all cores by default.", lower_bound=1
)
flags.mark_flags_as_required(["input_file", "model", "output_dir"])

# Flags without influence on the outcome; a run is resumed with all others as they were.
_HARMLESS = "output_dir overwrite num_workers ltp_device ltp_batch_size".split()
_POOLER, _MASKED_LM = "bert/pooler/", "cls/predictions/output_bias"
_EVALUATIONS = 10  # while it trains
_SHOWN = ("masked_lm_loss", "masked_lm_accuracy")
_MASKED = 0.15  # of the tokens, as create_pretraining_data_wwm.py does
_PARTS = ("train", "heldout")
_NEEDED = ("max_seq_length", "train_batch_size", "learning_rate", "masking_strategy", "gelu")


def main(_) -> None:
    checkpoint_flags.refuse_patterns("output_dir")
    recipe = load_recipe(FLAGS.recipe)
    source = find_source(FLAGS.model, FLAGS.bert_config_file, FLAGS.vocab_file)
    texts = find_texts(FLAGS.input_file)
    settings = same_run.flags_of_run(_HARMLESS)
    settings["hash of the recipe"] = files.sha256(in_checkout(FLAGS.recipe))
    settings["files of the model"] = {path: str(read_version(path)) for path in source.files}
    with open_run_folder(FLAGS.output_dir, settings, FLAGS.overwrite) as folder:
        adapt(folder, recipe, source.flags, texts, Steps(inherited=[folder.lock]))


def adapt(folder: RunFolder, recipe: dict, model_flags: list, texts: list, steps: Steps) -> None:
    steps.begin("Model: weights, configuration and vocabulary")
    run_once(steps, folder("base"), "convert_checkpoint.py", "to_tf", *model_flags)
    model = Model(folder("base"))

    steps.begin("Text: cleaned, in sentences, without duplicates")
    steps.run(
        "scripts/prepare_text.py",
        f"--input_file={','.join(texts)}",
        f"--output_file={folder('text', 'all.txt')}",
        *pass_on("input_format", "text_field", "documents", "num_workers"),
    )
    train, heldout = (folder("text", f"{part}.txt") for part in _PARTS)
    counts = hold_out(folder("text", "all.txt"), train, heldout)
    if counts:
        print(f"{counts[0]:,} documents to train on, {counts[1]:,} held out", flush=True)

    steps.begin("Words")
    for part in _PARTS:
        steps.run(
            "scripts/segment_corpus.py",
            f"--input_file={folder('text', part + '.txt')}",
            f"--output_file={folder('words', part + '.gz')}",
            *pass_on("segmenter", "ltp_model", "ltp_device", "ltp_batch_size", "num_workers"),
        )

    steps.begin("Records: whole words are masked")
    length = FLAGS.max_seq_length or min(int(recipe["max_seq_length"]), model.max_seq_length)
    shape = (
        f"--max_seq_length={length}",
        f"--max_predictions_per_seq={math.ceil(_MASKED * length)}",
        f"--masking_strategy={recipe['masking_strategy']}",
    )
    for part in _PARTS:
        steps.run(
            "create_pretraining_data_wwm.py",
            f"--input_file={folder('words', part + '.gz')}",
            f"--output_file={folder('records', part + '.tfrecord')}",
            "--segmenter=presegmented",
            *model.tokenizer,
            *shape,
            "--pairing=contiguous",
            "--short_seq_prob=0",
            f"--dupe_factor={FLAGS.dupe_factor if part == 'train' else 1}",
            *pass_on("num_workers"),
        )

    batch_size = FLAGS.train_batch_size or int(recipe["train_batch_size"])
    num_records = count_records(folder("records", "train.tfrecord"))
    num_steps = FLAGS.num_train_steps or math.ceil(num_records / batch_size)
    every = math.ceil(num_steps / _EVALUATIONS)
    records = folder("records", "heldout.tfrecord")
    pretraining = (
        f"--flagfile={in_checkout(FLAGS.recipe)}",
        f"--bert_config_file={model.config}",
        *shape,
    )
    evaluation = (*pretraining, "--nodo_train", "--do_eval", f"--input_file={records}")

    steps.begin("Before: the model on held-out documents")
    run_once(steps, folder("before"), "run_pretraining.py", *evaluation, *model.start)

    steps.begin("Continued pretraining")
    steps.run(
        "run_pretraining.py",
        *pretraining,
        f"--input_file={folder('records', 'train.tfrecord')}",
        f"--eval_input_file={records}",
        f"--output_dir={folder('training')}",
        *model.start,
        f"--train_batch_size={batch_size}",
        f"--num_train_steps={num_steps}",
        f"--num_warmup_steps={num_steps // 10}",
        f"--eval_every_steps={every}",
        f"--save_checkpoints_steps={every}",
        "--best_metric=masked_lm_loss",
        "--keep_checkpoint_max=2",
        *pass_on("learning_rate"),
    )

    steps.begin("After: the best weights on the same documents")
    best = folder("training", "best")
    run_once(steps, folder("after"), "run_pretraining.py", *evaluation, f"--init_checkpoint={best}")

    steps.begin("The adapted model, for TensorFlow and for Hugging Face")
    trained = (
        f"--tf_checkpoint={best}",
        f"--bert_config_file={model.config}",
        *model.tokenizer,
        f"--gelu={recipe['gelu']}",
    )
    to_tf = ("convert_checkpoint.py", "to_tf", *trained, "--weights_only")
    run_once(steps, folder("tensorflow"), *to_tf)
    run_once(steps, folder("hugging_face"), "convert_checkpoint.py", "to_hf", *trained)
    steps.finish()
    summarise(folder, model, steps)


def find_texts(names: list) -> list:
    """Returns patterns for the texts; for a folder, its files and those of its subfolders."""
    patterns = []
    for name in names:
        within = [name]
        if os.path.isdir(name):
            depths = (os.path.join(name, pattern) for pattern in ("*", os.path.join("*", "*")))
            within = [depth for depth in depths if any(map(os.path.isfile, files.glob(depth)))]
        if not within:
            raise DataError(f"{name}: a folder without files; expected texts")
        patterns += within
    files.find(patterns)
    return patterns


class Model:
    """The files of a converted model, and the flags for its tokenizer and its weights."""

    def __init__(self, folder: str):
        from bert_wwm.compat import tf
        from bert_wwm.model import untrained_head
        from bert_wwm.model.bert import BertConfig

        prefix = os.path.join(folder, "bert_model.ckpt")
        names = [name for name, _ in tf.train.list_variables(prefix)]
        if _MASKED_LM not in names:
            raise CheckpointError(
                f"--model={FLAGS.model}: has no masked language model ({_MASKED_LM}); expected one "
                "with it, as HFL's have, and not a model fine-tuned for a task"
            )
        self.start = [f"--init_checkpoint={prefix}"]
        self.has_pooler = any(name.startswith(_POOLER) for name in names)
        if not self.has_pooler:  # the masked LM does not use it
            self.start.append(f"--allow_random_init={_POOLER}")
        self.note = untrained_head.describe_checkpoint(prefix)
        self.config = os.path.join(folder, "bert_config.json")
        self.max_seq_length = BertConfig.from_json_file(self.config).max_position_embeddings
        lower = read_object(self.config).get("do_lower_case", True)
        self.tokenizer = (
            f"--vocab_file={os.path.join(folder, 'vocab.txt')}",
            f"--do_lower_case={lower}",
        )


def load_recipe(path: str) -> dict:
    """Returns the values of a recipe's flags, those in ``_NEEDED`` among them."""
    recipe = read_recipe(in_checkout(path)).flags
    for name in _NEEDED:
        if not recipe.get(name):
            raise ConfigError(
                f"{path}: lacks --{name}=...; expected a recipe as in configs/recipes"
            )
    return recipe


def in_checkout(path: str) -> str:
    """Returns a path that may be relative to the checkout, as configs/recipes/... is."""
    return path if os.path.exists(path) else os.path.join(ROOT, path)


def run_once(steps: Steps, output_dir: str, program: str, *arguments: str) -> None:
    """Runs a program that makes a folder, unless the folder is finished."""
    # Conversion makes a folder as a whole; evaluation writes this file last.
    done = "eval_results.txt" if "--do_eval" in arguments else ""
    if os.path.exists(os.path.join(output_dir, done)):
        print(f"{output_dir}: finished already", flush=True)
    else:
        steps.run(program, *arguments, f"--output_dir={output_dir}")


def pass_on(*names: str) -> list:
    """Returns those of this program's flags that have a value, for another program."""
    return [f"--{name}={FLAGS[name].value}" for name in names if FLAGS[name].value is not None]


def read_best_step(path: str) -> int:
    """Returns the step of the best weights."""
    step = read_object(path).get("step")
    if type(step) is not int:
        raise DataError(
            f"{path}: step is not a whole number; expected one. --overwrite begins again"
        )
    return step


def read_results(path: str) -> list:
    """Returns loss and accuracy on masked words."""
    try:
        values = dict(line.split(" = ") for line in files.read_lines(path))
        return [float(values[name]) for name in _SHOWN]
    except (KeyError, ValueError):
        raise DataError(
            f"{path}: is broken; expected {' and '.join(_SHOWN)}. Remove it, and the same command "
            "evaluates again"
        ) from None


def summarise(folder: RunFolder, model: Model, steps: Steps) -> None:
    (loss, accuracy), (best_loss, best_accuracy) = (
        read_results(folder(name, "eval_results.txt")) for name in ("before", "after")
    )
    step = read_best_step(folder("training", "best", "best.json"))
    lines = [
        f"On held-out documents, best weights (step {step:,}):",
        "",
        "                     before    after",
        f"masked LM loss       {loss:6.3f}   {best_loss:6.3f}",
        f"masked LM accuracy   {100 * accuracy:4.1f} %   {100 * best_accuracy:4.1f} %",
        "",
        f"Hugging Face: {folder('hugging_face')}",
        f"TensorFlow:   {folder('tensorflow')}",
    ]
    if model.note:
        lines.append(f"Of the model before: {model.note}.")
    if not model.has_pooler:
        lines.append("The model came without a pooler; the one it has now is random.")
    files.write_text(folder("summary.txt"), "\n".join(lines) + "\n")
    print("\n== Summary", *lines, "", "Time", *steps.lines(), sep="\n")


if __name__ == "__main__":
    app.run(main)
