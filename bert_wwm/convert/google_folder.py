"""Models as google-research/bert has them: a checkpoint, bert_config.json and vocab.txt."""

import os
from typing import NamedTuple

from bert_wwm.convert import model_config, names, tf_checkpoint
from bert_wwm.convert.architectures import (
    ARCHITECTURES,
    CLASSIFIER_CLASSES,
    CLASSIFIER_KINDS,
    choose_architecture,
)
from bert_wwm.convert.inventory import Written
from bert_wwm.convert.pretrained import Pretrained, check, widen_weights
from bert_wwm.core import files
from bert_wwm.model.checkpoint import note_files, write_variables
from bert_wwm.tasks.run_files import RunFiles
from bert_wwm.text.casing import choose_casing
from bert_wwm.text.vocabulary import Vocabulary

CHECKPOINT, CONFIG, VOCABULARY = "bert_model.ckpt", "bert_config.json", "vocab.txt"
# In the configuration of a cased model; google-research/bert ignores keys that it doesn't know.
_LOWER_CASE = "do_lower_case"
_NOTES = {
    model_config.EXACT_FORM: "hidden_act gelu is the exact form to this toolkit and to "
    "transformers; the code of google-research/bert would compute the tanh form",
    model_config.TANH_FORM: "hidden_act gelu_new is the tanh form to this toolkit and to "
    "transformers; the code of google-research/bert calls it gelu",
}
_NO_POOLER = (
    "there is no pooler: a model of whole texts would start with a random one, which training "
    "allows with --allow_random_init=bert/pooler"
)


class Recorded(NamedTuple):
    """What the record of a fine-tuning says of its model; None where it doesn't.

    Attributes:
        kind: what its classifier judges: see ``Pretrained``.
        gelu: the form that its configuration calls ``gelu``: ``tanh`` or ``erf``.
        do_lower_case: whether its text was lower-cased.
    """

    kind: str | None = None
    gelu: str | None = None
    do_lower_case: bool | None = None


def read(
    prefix: str,
    config_file: str,
    vocab_file: str,
    do_lower_case: bool | None = None,
    gelu: str | None = None,
) -> Pretrained:
    """Reads a model.

    What a fine-tuned classifier judges, and its classes, come from ``run.json`` and
    ``labels.json`` beside the checkpoint, or from the configuration.

    Args:
        prefix: of the checkpoint's files.
        config_file: its ``bert_config.json``.
        vocab_file: its vocabulary.
        do_lower_case: whether it wants its text lower-cased; by default what ``run.json`` says, or
            else what ``casing.choose_casing`` finds.
        gelu: what the configuration means by ``gelu``, ``tanh`` or ``erf``; by default what
            ``run.json`` says, or else ``erf``.

    Raises:
        DataError: the vocabulary is missing or broken, or ``run.json`` or ``labels.json`` is.
        ConfigError: the configuration is.
        CheckpointError: the checkpoint is, or the three don't fit each other.
    """
    note_files(prefix)
    config = model_config.read_google(config_file)
    vocabulary = Vocabulary.from_file(vocab_file)
    architecture = model_config.architecture_in(config, config_file)
    config.pop(model_config.ARCHITECTURES_KEY, None)
    config.pop(_LOWER_CASE, None)
    run = recorded(prefix)
    lower_case = run.do_lower_case
    if lower_case is None:
        lower_case = choose_casing(do_lower_case, config_file, vocab_file, prefix)
    config = model_config.with_gelu(config, gelu or run.gelu or "erf")
    tensors, state = tf_checkpoint.read(prefix)
    model = Pretrained(tensors, config, vocabulary.pieces, lower_case, optimizer_state=state)
    for name in [name for name, tensor in tensors.items() if tensor.dtype.kind not in "biufV"]:
        del tensors[name]
        model.skipped[name] = "no numbers"
    if model.num_classes:
        model.kind = run.kind or CLASSIFIER_KINDS.get(architecture, "")
        model.labels = RunFiles.of_checkpoint(prefix).read_labels() or []
        if not model.kind:
            model.notes.append(
                "nothing says what the classifier judges; it is taken for one of whole texts"
            )
    widen_weights(model, prefix)
    check(model, prefix)
    return model


def list_needed_parts(model: Pretrained) -> list[str]:
    """Returns the parts of a checkpoint like this model that must not lack a tensor."""
    needed = ARCHITECTURES[choose_architecture(model.parts, model.kind)].parts
    has_head = {*needed} - {names.ENCODER, names.POOLER}
    return [*model.parts, *needed] if has_head else model.parts


def write_folder(folder: str, model: Pretrained) -> Written:
    """Writes bert_model.ckpt.*, bert_config.json, vocab.txt, and the labels of a classifier.

    Args:
        folder: where to; it is made if need be.
        model: what it has of the optimizer's state goes along.

    Raises:
        CheckpointError: the checkpoint can't be written.
    """
    files.make_folder(folder)
    write_variables(os.path.join(folder, CHECKPOINT), {**model.tensors, **model.optimizer_state})
    values = dict(model.config)
    values.pop(_LOWER_CASE, None)
    if not model.do_lower_case:
        values[_LOWER_CASE] = False
    if model.num_classes:
        values[model_config.ARCHITECTURES_KEY] = [choose_architecture(model.parts, model.kind)]
    contents = {
        VOCABULARY: "".join(f"{piece}\n" for piece in model.vocabulary),
        CONFIG: model_config.to_text(values),
    }
    for name, text in contents.items():
        files.write_text(os.path.join(folder, name), text)
    if model.labels:
        RunFiles(folder).write_labels(model.labels)
    notes = [_NOTES[values["hidden_act"]]] if values["hidden_act"] in _NOTES else []
    if names.POOLER not in model.parts:
        notes.append(_NO_POOLER)
    return Written(CHECKPOINT, {name: name for name in model.tensors}, notes=notes)


def recorded(prefix: str) -> Recorded:
    """Returns what ``run.json`` beside a checkpoint, or above its ``best``, says of the model.

    Raises:
        DataError: it is broken.
    """
    settings = RunFiles.of_checkpoint(prefix).read_settings()
    kind, gelu = settings.get("kind"), settings.get("gelu")
    return Recorded(
        kind if kind in CLASSIFIER_CLASSES else None,
        gelu if gelu in ("tanh", "erf") else None,
        settings.get(_LOWER_CASE),
    )
