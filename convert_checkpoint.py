"""Converts models between TensorFlow checkpoints and Hugging Face's folders, bit for bit.

  to_hf      a Hugging Face folder: config.json, model.safetensors, the files of the tokenizer, and
             tf_heads.safetensors for what its classes have no place for (heads of LERT and PERT)
  to_tf      bert_model.ckpt.*, bert_config.json and vocab.txt, as google-research/bert has them
  to_paddle  a PaddleNLP folder

Every command reads either form: to_tf with --tf_checkpoint adds words to a checkpoint
(--add_tokens), or takes the optimizer's slots out of it (--weights_only). A table at the end says
what became of every tensor. The output is there whole, or not at all.

Example:
  python convert_checkpoint.py to_hf --tf_checkpoint=chinese_wwm_L-12_H-768_A-12.zip \\
      --output_dir=chinese-bert-wwm
  python convert_checkpoint.py to_tf --hf_model=hfl/chinese-roberta-wwm-ext --output_dir=roberta
"""

import os
import re

from absl import flags

from bert_wwm.cli import app, checkpoint_flags
from bert_wwm.convert import architectures, forms, inventory, names, output_folder, pretrained
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
    "Put new words on [unusedN] first, which keeps the sizes; False: behind all others.",
)
flags.DEFINE_bool(
    "weights_only",
    False,
    "With to_tf and --tf_checkpoint: leave the optimizer's slots and global_step behind, two "
    "thirds of a training's checkpoint.",
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
    output_folder.check(folder, FLAGS.overwrite, _OUTPUTS.fullmatch)
    source = FLAGS.tf_checkpoint or FLAGS.hf_model
    given = forms.CHECKPOINT_FLAG if FLAGS.tf_checkpoint else forms.HUGGING_FACE_FLAG
    forms.check_flag(given, source)
    model = read_checkpoint() if FLAGS.tf_checkpoint else read_hugging_face()
    if command != TO_TF or FLAGS.weights_only:
        model.drop_optimizer_state()
    added = add_tokens(model) if FLAGS.add_tokens else None
    if command != TO_HF:
        tell_added_tokens(model)
    pretrained.complete(model, needed_parts(command, model), FLAGS.strict, source)
    with folders.replaced(folder) as new:
        table, result = WRITERS[command](new, model)
    if added:
        print(added.report())
    print(f"{source} -> {folder}: {result}")
    print(table.report())


def check_flags(command) -> None:
    """Refuses flags that contradict each other."""
    if command == TO_TF:
        checkpoint_flags.refuse_patterns("output_dir")
    if bool(FLAGS.tf_checkpoint) == bool(FLAGS.hf_model):
        raise ConfigError("which model? expected either --tf_checkpoint or --hf_model")
    if FLAGS.hf_model:
        for name in _OF_CHECKPOINTS:
            if FLAGS[name].present:
                raise ConfigError(
                    f"--{name}: says something of --tf_checkpoint; the folder of --hf_model says "
                    "it itself"
                )
    if FLAGS.weights_only and (command != TO_TF or FLAGS.hf_model):
        raise ConfigError(
            "--weights_only: is for to_tf with --tf_checkpoint; in all other outputs there are "
            "weights only"
        )
    if FLAGS["reuse_unused"].present and not FLAGS.add_tokens:
        raise ConfigError("--reuse_unused: for which words? expected --add_tokens")


def read_hugging_face():
    from bert_wwm.convert import hugging_face

    return hugging_face.read_folder(FLAGS.hf_model)


def read_checkpoint():
    """Reads the model of --tf_checkpoint."""
    if FLAGS.tf_checkpoint.endswith(".zip"):
        from bert_wwm.convert import archive

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
    for path, flag in ((config_file, "bert_config_file"), (vocab_file, "vocab_file")):
        if not path:
            raise DataError(f"{prefix}: which one is its --{flag}? there is none beside it")
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


def add_tokens(model):
    from bert_wwm.convert import new_tokens

    words = new_tokens.read_words(FLAGS.add_tokens)
    return new_tokens.add_tokens(model, words, FLAGS.reuse_unused, FLAGS.add_tokens)


def tell_added_tokens(model):
    if model.added_tokens:
        from bert_wwm.convert import new_tokens

        model.notes += new_tokens.notes_on_added(model)


def needed_parts(command, model):
    """Returns the parts that the output has to have whole."""
    parts = names.parts_of(model.tensors)
    if command == TO_TF:
        judges_texts = names.CLASSIFIER in parts and model.kind != architectures.TAGGING
        if names.PAIR in parts or judges_texts or not FLAGS.strict:
            parts.append(names.POOLER)
        return parts
    if command == TO_HF:
        return architectures.ARCHITECTURES[architectures.architecture_of(parts, model.kind)].parts
    from bert_wwm.convert import paddle

    return paddle.architecture_of(model)[1]


def write_hugging_face(folder, model):
    from bert_wwm.convert import hugging_face

    hugging_face.write_folder(folder, model)
    table = inventory.take(model, hugging_face.written(model))
    return table, f"a {hugging_face.architecture(model)}"


def write_checkpoint(folder, model):
    from bert_wwm.convert import google_folder, model_config

    google_folder.write_folder(folder, model)
    activation = model.config["hidden_act"]
    if activation == model_config.EXACT_FORM:
        model.notes.append(
            "hidden_act gelu is the exact form to this toolkit and to transformers; the code of "
            "google-research/bert would compute the tanh form"
        )
    if activation == model_config.TANH_FORM:
        model.notes.append(
            "hidden_act gelu_new is the tanh form to this toolkit and to transformers; the code of "
            "google-research/bert calls it gelu"
        )
    if names.POOLER not in names.parts_of(model.tensors):
        model.notes.append(
            "there is no pooler: a model of whole texts would start with a random one, which "
            "training allows with --allow_random_init=bert/pooler"
        )
    return inventory.take(model, {name: name for name in model.tensors}), "bert_model.ckpt"


def write_paddle(folder, model):
    from bert_wwm.convert import paddle

    written = paddle.write_folder(folder, model)
    table = inventory.take(model, written.converted)
    table.skipped.update(written.skipped)
    table.beside.clear()
    table.notes += written.notes
    return table, f"PaddleNLP's {paddle.architecture_of(model)[0]}"


WRITERS = {TO_HF: write_hugging_face, TO_TF: write_checkpoint, TO_PADDLE: write_paddle}


if __name__ == "__main__":
    app.run(main, COMMANDS)
