"""From a folder of texts and a released model to a model that has read them, in one command.

Cleans the texts and parts them into sentences, keeps one document in twenty apart, finds words with
LTP, masks whole words, goes on pretraining at the rate of --recipe, and compares the model before
and after on the documents kept apart. Every step is a program of the toolkit, printed as one would
type it. Leaves in --output_dir:

  hugging_face/  the adapted model for transformers
  tensorflow/    the same for this toolkit and google-research/bert
  summary.txt    loss and accuracy on masked words, before and after
  training/      checkpoints, TensorBoard's events and learning_curve.png

Killed at any moment and started again with the same command, it goes on where it was.

The masked language model is trained alone; a head for pairs of sentences, if the model has one,
would no longer fit the encoder and is left out. The weights kept are those with the lowest loss on
the documents kept apart, so that the texts aren't learned by heart.

Example:
  python scripts/adapt_domain.py --input_file='texts/*.txt' --model=hfl/chinese-bert-wwm-ext \\
      --output_dir=adapted
"""

import contextlib
import fcntl
import json
import math
import os
import re

from absl import flags

from bert_wwm.cli import app, segmenter_flags
from bert_wwm.cli.steps import ROOT, Steps
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.progress import Progress
from bert_wwm.core.workers import default_num_workers
from bert_wwm.text.corpus import read_documents

FLAGS = flags.FLAGS

flags.DEFINE_list("input_file", None, "The texts: paths or globs, parted by commas.")
flags.DEFINE_string(
    "model",
    None,
    "What to start from: a name on the Hugging Face hub, a folder of Hugging Face's or with a "
    "TensorFlow checkpoint, a checkpoint's prefix, or a release's .zip.",
)
flags.DEFINE_string("output_dir", None, "Where everything goes.")
flags.DEFINE_string(
    "input_format", "auto", "Of the texts, as for scripts/prepare_text.py: text, jsonl, csv, ..."
)
flags.DEFINE_string("text_field", "text", "The JSON field or CSV column of the text.")
flags.DEFINE_string(
    "documents", "blank_line", "What parts documents of plain text: blank_line, line or file."
)
flags.adopt_module_key_flags(segmenter_flags)
flags.DEFINE_integer("dupe_factor", 5, "How often each text is masked, differently.", lower_bound=1)
flags.DEFINE_string(
    "recipe",
    os.path.join("configs", "recipes", "continue-pretraining.flags"),
    "Flags of run_pretraining.py: rate, batch, hardware and so on.",
)
flags.DEFINE_integer(
    "max_seq_length",
    None,
    "Tokens of a sequence; by default the recipe's, or the model's if it has fewer.",
    lower_bound=8,
)
flags.DEFINE_integer("train_batch_size", None, "By default the recipe's.", lower_bound=1)
flags.DEFINE_float("learning_rate", None, "Peak rate; by default the recipe's.", lower_bound=0.0)
flags.DEFINE_integer(
    "num_train_steps", None, "By default each masked text is seen once.", lower_bound=1
)
flags.DEFINE_integer(
    "num_workers", default_num_workers(), "Processes; all cores by default.", lower_bound=1
)
flags.mark_flags_as_required(["input_file", "model", "output_dir"])

# What the outcome hangs on; a run that goes on must have the same.
_OF_RUN = (
    "input_file model input_format text_field documents segmenter ltp_model dupe_factor recipe "
    "max_seq_length train_batch_size learning_rate num_train_steps"
).split()
_HELD_OUT = 20  # one document in twenty
_EVALUATIONS = 10  # while it trains
_MASKED = 0.15  # of the tokens, as create_pretraining_data_wwm.py does
_PARTS = ("train", "heldout")
_RECIPE_FLAG = re.compile(r"^--(\w+)=(.*)$")
_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


class Folder:
    """The names in --output_dir."""

    def __init__(self, path: str):
        self.path = path

    def __call__(self, *names: str) -> str:
        return os.path.join(self.path, *names)

    def has(self, *names: str) -> bool:
        return os.path.exists(self(*names))


def main(_) -> None:
    folder = Folder(FLAGS.output_dir)
    recipe = read_recipe(FLAGS.recipe)
    source = source_flags(FLAGS.model)
    files.make_folder(folder.path)
    with open(folder(".lock"), "a") as lock:
        hold(lock)
        compare_with_earlier(folder)
        adapt(folder, recipe, source, Steps(inherited=[lock.fileno()]))


def adapt(folder: Folder, recipe: dict, source: list, steps: Steps) -> None:
    steps.begin("Model: weights, configuration and vocabulary")
    once(steps, folder("base"), "convert_checkpoint.py", "to_tf", *source)
    model = Model(folder("base"))

    steps.begin("Text: cleaned, in sentences, without duplicates")
    steps.run(
        "scripts/prepare_text.py",
        f"--input_file={','.join(FLAGS.input_file)}",
        f"--output_file={folder('text', 'all.txt')}",
        *given("input_format", "text_field", "documents", "num_workers"),
    )
    hold_out(folder)

    steps.begin("Words")
    for part in _PARTS:
        steps.run(
            "scripts/segment_corpus.py",
            f"--input_file={folder('text', part + '.txt')}",
            f"--output_file={folder('words', part + '.gz')}",
            *given("segmenter", "ltp_model", "ltp_device", "ltp_batch_size", "num_workers"),
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
            *given("num_workers"),
        )

    batch_size = FLAGS.train_batch_size or int(recipe["train_batch_size"])
    num_steps = FLAGS.num_train_steps or math.ceil(count_records(folder) / batch_size)
    every = math.ceil(num_steps / _EVALUATIONS)
    held_out = folder("records", "heldout.tfrecord")
    pretraining = (f"--flagfile={FLAGS.recipe}", f"--bert_config_file={model.config}", *shape)

    steps.begin("Before: the model on documents kept apart")
    evaluate(steps, folder("before"), held_out, pretraining, model.checkpoint)

    steps.begin("Pretraining goes on")
    steps.run(
        "run_pretraining.py",
        *pretraining,
        f"--input_file={folder('records', 'train.tfrecord')}",
        f"--eval_input_file={held_out}",
        f"--output_dir={folder('training')}",
        f"--init_checkpoint={model.checkpoint}",
        f"--train_batch_size={batch_size}",
        f"--num_train_steps={num_steps}",
        f"--num_warmup_steps={num_steps // 10}",
        f"--eval_every_steps={every}",
        f"--save_checkpoints_steps={every}",
        "--best_metric=masked_lm_loss",
        "--keep_checkpoint_max=2",
        *given("learning_rate"),
    )

    steps.begin("After: the best weights on the same documents")
    best = folder("training", "best")
    evaluate(steps, folder("after"), held_out, pretraining, best)

    steps.begin("The adapted model, for TensorFlow and for Hugging Face")
    trained = (
        f"--tf_checkpoint={best}",
        f"--bert_config_file={model.config}",
        *model.tokenizer,
        f"--gelu={recipe['gelu']}",
    )
    once(steps, folder("tensorflow"), "convert_checkpoint.py", "to_tf", *trained, "--weights_only")
    once(steps, folder("hugging_face"), "convert_checkpoint.py", "to_hf", *trained)
    steps.finish()
    summarise(folder, steps)


def source_flags(model: str) -> list:
    """Returns the flags of convert_checkpoint.py that name a model.

    Raises:
        ConfigError: there is no such file or folder, and it can't be a name on the hub.
    """
    holds_checkpoint = os.path.exists(f"{model}.index") or model.endswith(".zip")
    if os.path.isdir(model):
        names = os.listdir(model)
        holds_checkpoint = "config.json" not in names
        checkpoints = [name[: -len(".index")] for name in names if name.endswith(".ckpt.index")]
        if holds_checkpoint and len(checkpoints) == 1:
            model = os.path.join(model, checkpoints[0])
    elif not holds_checkpoint and not _HUB_NAME.fullmatch(model):
        raise ConfigError(
            f"--model={model}: no such file or folder; expected a checkpoint's prefix, a folder, a "
            "release's .zip, or a name on the Hugging Face hub"
        )
    if holds_checkpoint:
        return [f"--tf_checkpoint={model}", "--weights_only"]
    return [f"--hf_model={model}"]


class Model:
    """The files of a converted model, and what its tokenizer and sequences are like."""

    def __init__(self, folder: str):
        self.checkpoint = os.path.join(folder, "bert_model.ckpt")
        self.config = os.path.join(folder, "bert_config.json")
        config = load_json(self.config)
        self.max_seq_length = config["max_position_embeddings"]
        lower = config.get("do_lower_case", True)
        self.tokenizer = (
            f"--vocab_file={os.path.join(folder, 'vocab.txt')}",
            f"--do_lower_case={lower}",
        )


def read_recipe(path: str) -> dict:
    """Returns the values of a file of flags.

    Raises:
        ConfigError: it lacks one that is needed.
    """
    recipe = dict(
        match.groups()
        for match in map(_RECIPE_FLAG.match, files.read_lines(in_checkout(path)))
        if match
    )
    for name in ("max_seq_length", "train_batch_size", "learning_rate", "masking_strategy", "gelu"):
        if name not in recipe:
            raise ConfigError(
                f"{path}: lacks --{name}=...; expected a recipe as in configs/recipes"
            )
    return recipe


def in_checkout(path: str) -> str:
    """Returns a path that may be meant from the checkout, as configs/recipes/... is."""
    return path if os.path.exists(path) else os.path.join(ROOT, path)


def hold(lock) -> None:
    """Locks the folder, for this process and the programs that it runs."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ConfigError(f"{FLAGS.output_dir}: another process is writing there") from None


def compare_with_earlier(folder: Folder) -> None:
    """Refuses to go on in a folder that was begun in another way."""
    settings = {name: FLAGS[name].value for name in _OF_RUN}
    if not folder.has("settings.json"):
        if set(os.listdir(folder.path)) - {".lock"}:
            raise ConfigError(
                f"{folder.path}: holds files of something else; expected a new or empty folder"
            )
        text = json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
        files.write_text(folder("settings.json"), text)
    earlier = load_json(folder("settings.json"))
    for name, value in settings.items():
        if earlier.get(name) != value:
            raise ConfigError(
                f"{folder.path}: was begun with --{name}={earlier.get(name)}, not {value}; "
                "expected the same, or another --output_dir"
            )


def once(steps: Steps, output_dir: str, program: str, *arguments: str) -> None:
    """Runs a program that makes a folder as a whole, unless it has."""
    if os.path.exists(output_dir):
        print(f"{output_dir}: finished already", flush=True)
        return
    steps.run(program, *arguments, f"--output_dir={output_dir}")


def evaluate(steps: Steps, output_dir: str, records: str, pretraining, checkpoint: str) -> None:
    """Evaluates a checkpoint on masked words, unless that is done."""
    if os.path.exists(os.path.join(output_dir, "eval_results.txt")):
        print(f"{output_dir}: finished already", flush=True)
        return
    steps.run(
        "run_pretraining.py",
        *pretraining,
        "--nodo_train",
        "--do_eval",
        f"--input_file={records}",
        f"--output_dir={output_dir}",
        f"--init_checkpoint={checkpoint}",
    )


def given(*names: str) -> list:
    """Returns those of this program's flags that have a value, for another program."""
    return [f"--{name}={FLAGS[name].value}" for name in names if FLAGS[name].value is not None]


def hold_out(folder: Folder) -> None:
    """Parts the documents: one in twenty is kept from training."""
    source = folder("text", "all.txt")
    places = [folder("text", f"{part}.txt") for part in _PARTS]
    if all(map(os.path.exists, places)):
        return
    counts = dict.fromkeys(_PARTS, 0)
    with contextlib.ExitStack() as stack:
        temporary = [stack.enter_context(files.atomic_path(place)) for place in places]
        streams = [stack.enter_context(open(path, "w", encoding="utf-8")) for path in temporary]
        progress = stack.enter_context(Progress("documents kept apart", files.size(source)))
        number = done = part = 0
        for document in read_documents([source]):
            if not document.is_rest:
                part = number % _HELD_OUT == 0  # the second of _PARTS
                streams[part].write("\n" if counts[_PARTS[part]] else "")
                counts[_PARTS[part]] += 1
                number += 1
            streams[part].writelines(f"{sentence}\n" for sentence in document.sentences)
            done += document.size
            progress.update(done)
        if not all(counts.values()):
            raise DataError(
                f"{source}: {number} document(s); expected at least 2, one of them "
                "to evaluate on. --documents says what parts them"
            )
    print(f"{counts['train']:,} documents to train on, {counts['heldout']:,} kept apart")


def count_records(folder: Folder) -> int:
    manifest = load_json(folder("records", "manifest.train.tfrecord.json"))
    return sum(entry["records"] for entry in manifest["files"].values())


def load_json(path: str) -> dict:
    try:
        return json.loads(files.read_bytes(path))
    except ValueError as error:
        raise DataError(f"{path}: is no JSON ({error})") from None


def results_of(path: str) -> dict:
    return {
        name: float(value) for name, value in (line.split(" = ") for line in files.read_lines(path))
    }


def summarise(folder: Folder, steps: Steps) -> None:
    before, after = (results_of(folder(name, "eval_results.txt")) for name in ("before", "after"))
    step = load_json(folder("training", "best", "best.json"))["step"]
    lines = [
        f"On documents kept apart, best weights (step {step:,}):",
        "",
        "                     before    after",
        f"masked LM loss       {before['masked_lm_loss']:6.3f}   {after['masked_lm_loss']:6.3f}",
        f"masked LM accuracy   {100 * before['masked_lm_accuracy']:4.1f} %   "
        f"{100 * after['masked_lm_accuracy']:4.1f} %",
        "",
        f"Hugging Face: {folder('hugging_face')}",
        f"TensorFlow:   {folder('tensorflow')}",
    ]
    files.write_text(folder("summary.txt"), "\n".join(lines) + "\n")
    print("\n== Summary", *lines, "", "Time", *steps.lines(), sep="\n")


if __name__ == "__main__":
    app.run(main)
