"""Converts models between TensorFlow checkpoints and Hugging Face's folders, bit for bit.

  to_hf      a Hugging Face folder: config.json, model.safetensors, the files of the tokenizer, and
             tf_heads.safetensors for what its classes have no place for (heads of LERT and PERT)
  to_tf      bert_model.ckpt.*, bert_config.json and vocab.txt, as google-research/bert has them
  to_paddle  a PaddleNLP folder

Every command reads either form: to_tf with --tf_checkpoint adds words to a checkpoint
(--add_tokens), or takes the optimizer's slots out of it (--weights_only). A table at the end says
where every tensor went. The output is there whole, or not at all.

Example:
  python convert_checkpoint.py to_hf --tf_checkpoint=chinese_wwm_L-12_H-768_A-12.zip \\
      --output_dir=chinese-bert-wwm
  python convert_checkpoint.py to_tf --hf_model=hfl/chinese-roberta-wwm-ext --output_dir=roberta
"""

import os
import re

from absl import flags

from bert_wwm.cli import app, checkpoint_flags
from bert_wwm.convert import archive, forms, hugging_face, names, new_tokens, paddle
from bert_wwm.convert.inventory import describe_tensors
from bert_wwm.convert.pretrained import complete
from bert_wwm.core import files, folders
from bert_wwm.core.choices import GELU_FORMS
from bert_wwm.core.errors import ConfigError, DataError

FLAGS = flags.FLAGS

flags.DEFINE_string(
    "tf_checkpoint",
    None,
    "The model: a checkpoint's prefix, a run's folder (its best weights, if it has any), a "
    "release's folder, or a release's .zip.",
)
flags.DEFINE_string(
    "bert_config_file",
    None,
    "The checkpoint's shape; by default bert_config.json or lert_config.json beside it.",
)
flags.DEFINE_string(
    "vocab_file", None, "The checkpoint's vocabulary; by default vocab.txt beside it."
)
flags.DEFINE_bool(
    "do_lower_case",
    None,
    "Whether the checkpoint wants its text lower-cased; by default what the run.json of its "
    "fine-tuning says, or its configuration, or else yes (all Chinese models do).",
)
flags.DEFINE_enum(
    "gelu",
    None,
    GELU_FORMS,
    "What the checkpoint's configuration means by gelu: see run_pretraining.py; by default what "
    "the run.json of its fine-tuning says, or else erf. google-research/bert's own models have "
    "tanh.",
)
flags.DEFINE_string(
    "hf_model",
    None,
    "The model: a Hugging Face folder, its name on the hub, or the .zip of a release for PyTorch.",
)
flags.DEFINE_string("output_dir", None, "Where the converted model goes: a new folder.")
flags.DEFINE_bool("overwrite", False, "Put it in the place of an earlier one.")
flags.DEFINE_string("add_tokens", None, "A file of new words, one a line, for the vocabulary.")
flags.DEFINE_bool(
    "reuse_unused",
    True,
    "Put new words on [unusedN] first, which keeps the sizes; False: after all others.",
)
flags.DEFINE_bool(
    "weights_only",
    False,
    "With to_tf and --tf_checkpoint: leave out the optimizer's slots and global_step, two thirds "
    "of a training's checkpoint.",
)
flags.DEFINE_bool(
    "strict",
    True,
    "Refuse a model that lacks what the output needs. False: make it up, as before training, and "
    "say so.",
)
flags.mark_flag_as_required("output_dir")

TO_HF, TO_TF, TO_PADDLE = COMMANDS = ("to_hf", "to_tf", "to_paddle")
_OF_CHECKPOINTS = ("bert_config_file", "vocab_file", "do_lower_case", "gelu")
_CONFIGS = ("bert_config.json", "lert_config.json")
# The files that the three commands leave, by which --overwrite knows an earlier output.
_OUTPUTS = re.compile(
    r"bert_model\.ckpt\.(index|data-\d+-of-\d+)|(bert_|model_)?config\.json|labels\.json|vocab\.txt|model\.safetensors"
    r"|tf_heads\.safetensors|added_tokens\.json|tokenizer(_config)?\.json|special_tokens_map\.json"
    r"|model_state\.pdparams"
)


def main(argv) -> None:
    command = argv[1]
    check_flags(command)
    folder = FLAGS.output_dir.rstrip("/") or "/"
    check_output(folder)
    source = FLAGS.tf_checkpoint or FLAGS.hf_model
    given = forms.CHECKPOINT_FLAG if FLAGS.tf_checkpoint else forms.HUGGING_FACE_FLAG
    forms.check_flag(given, source)
    model = read_checkpoint() if FLAGS.tf_checkpoint else hugging_face.read_folder(source)
    if command != TO_TF or FLAGS.weights_only:
        model.drop_optimizer_state()
    if FLAGS.add_tokens:
        words = new_tokens.read_words(FLAGS.add_tokens)
        added = new_tokens.add_tokens(model, words, FLAGS.reuse_unused, FLAGS.add_tokens)
    if command != TO_HF and model.added_tokens:
        model.notes += new_tokens.describe_added_tokens(model)
    form = choose_form(command)
    needed = form.list_needed_parts(model)
    if command == TO_TF and not FLAGS.strict:
        needed.append(names.POOLER)
    complete(model, needed, FLAGS.strict, source)
    with folders.replaced(folder) as new:
        written = form.write_folder(new, model)
    if FLAGS.add_tokens:
        print(added.report())
    print(f"{source} -> {folder}: {written.form}")
    print(describe_tensors(model, written))


def check_flags(command) -> None:
    """Refuses flags that contradict each other."""
    if command == TO_TF:
        checkpoint_flags.refuse_patterns("output_dir")
    if bool(FLAGS.tf_checkpoint) == bool(FLAGS.hf_model):
        raise ConfigError("the model: expected either --tf_checkpoint or --hf_model")
    if FLAGS.hf_model:
        for name in _OF_CHECKPOINTS:
            if FLAGS[name].present:
                raise ConfigError(
                    f"--{name}: describes the model of --tf_checkpoint; expected none with "
                    "--hf_model, whose folder has it"
                )
    if FLAGS.weights_only and (command != TO_TF or FLAGS.hf_model):
        raise ConfigError(
            "--weights_only: is for to_tf with --tf_checkpoint; in all other outputs there are "
            "weights only"
        )
    if FLAGS["reuse_unused"].present and not FLAGS.add_tokens:
        raise ConfigError("--reuse_unused needs --add_tokens")


def check_output(path) -> None:
    """Refuses a folder that can't be written, or holds what must not be lost."""
    if files.is_remote(path):
        raise ConfigError(f"--output_dir={path}: expected a folder of this machine")
    if os.path.lexists(path) and not os.path.isdir(path):
        raise ConfigError(f"--output_dir={path}: is no folder")
    held = sorted(os.listdir(path)) if os.path.isdir(path) else []
    if held and not FLAGS.overwrite:
        raise ConfigError(
            f"--output_dir={path}: is not empty; expected a new folder, or --overwrite"
        )
    others = [name for name in held if not _OUTPUTS.fullmatch(name)]
    if others:
        raise ConfigError(
            f"--output_dir={path}: holds {others[0]}, which --overwrite would delete; expected "
            "nothing but the files of a model"
        )


def read_checkpoint():
    """Reads the model of --tf_checkpoint."""
    if FLAGS.tf_checkpoint.endswith(".zip"):
        with archive.unpacked(FLAGS.tf_checkpoint) as folder:
            return read_model(*archive.find_model(folder))
    from bert_wwm.model import checkpoint_path

    def read(prefix):
        print(f"Weights from {prefix}")
        return read_model(prefix, beside(prefix, *_CONFIGS), beside(prefix, "vocab.txt"))

    return checkpoint_path.read_newest(lambda: checkpoint_path.resolve(FLAGS.tf_checkpoint), read)


def read_model(prefix, config_file, vocab_file):
    """Reads a model of which the flags may name other files than those beside the checkpoint."""
    config_file = FLAGS.bert_config_file or config_file
    vocab_file = FLAGS.vocab_file or vocab_file
    for path, name, flag in (
        (config_file, _CONFIGS[0], "bert_config_file"),
        (vocab_file, "vocab.txt", "vocab_file"),
    ):
        if not path:
            raise DataError(f"{prefix}: has no {name} beside it; expected --{flag}")
    from bert_wwm.convert import google_folder

    check_record(prefix, google_folder.recorded(prefix))
    return google_folder.read(prefix, config_file, vocab_file, FLAGS.do_lower_case, FLAGS.gelu)


def check_record(prefix, recorded):
    """Refuses flags that contradict what a fine-tuning's record says."""
    for name in ("do_lower_case", "gelu"):
        flag, was = FLAGS[name].value, getattr(recorded, name)
        if flag is not None and was is not None and flag != was:
            raise ConfigError(
                f"--{name}={str(flag).lower()}: {prefix} was fine-tuned with {str(was).lower()}, "
                "as its run.json says; expected the same, or no flag"
            )


def beside(prefix, *candidates):
    """Returns the path of the first file of some names beside a checkpoint, or None."""
    paths = (os.path.join(os.path.dirname(prefix), name) for name in candidates)
    return next(filter(files.exists, paths), None)


def choose_form(command):
    """Returns the module that writes the output."""
    if command == TO_TF:
        from bert_wwm.convert import google_folder

        return google_folder
    return hugging_face if command == TO_HF else paddle


if __name__ == "__main__":
    app.run(main, COMMANDS)
