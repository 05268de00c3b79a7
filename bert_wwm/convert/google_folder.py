"""Models as google-research/bert has them: a checkpoint, bert_config.json and vocab.txt."""

import os
from typing import NamedTuple

import numpy as np

from bert_wwm.convert import model_config, names
from bert_wwm.convert.inventory import Written
from bert_wwm.convert.pretrained import Pretrained, check
from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError
from bert_wwm.model.checkpoint import (
    is_optimizer_state,
    note_files,
    read_variables,
    write_variables,
)
from bert_wwm.tasks.run_files import BEST, RunFiles
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
    """What the record of a fine-tuning says of its model; None where it doesn't."""

    kind: str | None = None  # what its classifier judges
    gelu: str | None = None  # the form that its configuration calls gelu: tanh or erf
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
    ``labels.json`` beside the checkpoint, or from the configuration. By default ``do_lower_case``
    is what ``run.json`` says, or else what ``casing.choose_casing`` finds. ``gelu`` is the form
    that the configuration calls so: by default the one in ``run.json``, or else ``erf``.
    """
    note_files(prefix)
    config = model_config.read_google(config_file)
    vocabulary = Vocabulary.from_file(vocab_file)
    architecture = model_config.find_architecture(config, config_file)
    for name in (model_config.ARCHITECTURES_KEY, _LOWER_CASE):
        config.pop(name, None)
    run = recorded(prefix)
    for name, given in (("do_lower_case", do_lower_case), ("gelu", gelu)):
        was = getattr(run, name)
        if None not in (given, was) and given != was:
            raise ConfigError(
                f"--{name}={str(given).lower()}: {prefix} was fine-tuned with {str(was).lower()}, "
                "as its run.json says; expected the same, or no flag"
            )
    lower_case = run.do_lower_case
    if lower_case is None:
        lower_case = choose_casing(do_lower_case, config_file, vocab_file, prefix)
    config = model_config.with_gelu(config, gelu or run.gelu or "erf")
    tensors, state = read_checkpoint(prefix)
    model = Pretrained(tensors, config, vocabulary.pieces, lower_case, state)
    for name in [name for name, tensor in tensors.items() if tensor.dtype.kind not in "biufV"]:
        del tensors[name]
        model.skipped[name] = "no numbers"
    if model.num_classes:
        model.kind = run.kind or names.CLASSIFIER_KINDS.get(architecture, "")
        model.labels = RunFiles.of_checkpoint(prefix).read_labels() or []
        if not model.kind:
            model.notes.append(
                "nothing says what the classifier judges; it is taken for one of whole texts"
            )
    check(model, prefix)
    return model


def read_checkpoint(path: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Returns a checkpoint's tensors of the model, and the optimizer's slots with ``global_step``.

    A variable that lies in the scope of another one is an optimizer's slot of it.
    """
    tensors, state = {}, {}
    stored = {name: np.asarray(value) for name, value in read_variables(path).items()}
    for name, value in stored.items():
        scopes = name.split("/")
        is_slot = any("/".join(scopes[:count]) in stored for count in range(1, len(scopes)))
        (state if is_slot or is_optimizer_state(name) else tensors)[name] = value
    return tensors, state


def list_needed_parts(model: Pretrained) -> list[str]:
    """Returns the parts of a checkpoint like this model that must not lack a tensor."""
    needed = names.ARCHITECTURES[model.architecture].parts
    has_head = {*needed} - {names.ENCODER, names.POOLER}
    return [*model.parts, *needed] if has_head else model.parts


def write_folder(folder: str, model: Pretrained) -> Written:
    """Writes the checkpoint, the optimizer's state too, bert_config.json, vocab.txt, and labels."""
    files.make_folder(folder)
    write_variables(os.path.join(folder, CHECKPOINT), {**model.tensors, **model.optimizer_state})
    values = dict(model.config)
    if not model.do_lower_case:
        values[_LOWER_CASE] = False
    if model.num_classes:
        values[model_config.ARCHITECTURES_KEY] = [model.architecture]
    contents = {
        VOCABULARY: "".join(f"{piece}\n" for piece in model.vocabulary),
        CONFIG: model_config.to_text(values),
    }
    for name, text in contents.items():
        files.write_text(os.path.join(folder, name), text)
    if model.labels:
        RunFiles(folder).write_labels(model.labels)
    notes = [note for form, note in _NOTES.items() if form == values["hidden_act"]]
    if names.POOLER not in model.parts:
        notes.append(_NO_POOLER)
    return Written(CHECKPOINT, {name: name for name in model.tensors}, notes=notes)


def find_beside(prefix: str, *names: str) -> str | None:
    """Returns the first file of some names beside a checkpoint, or above its ``best``, if any."""
    folder = os.path.dirname(prefix)
    above = [os.path.dirname(folder)] if os.path.basename(folder) == BEST else []
    paths = (os.path.join(place, name) for place in (folder, *above) for name in names)
    return next(filter(files.exists, paths), None)


def recorded(prefix: str) -> Recorded:
    """Returns what ``run.json`` beside a checkpoint, or above its ``best``, says of the model."""
    settings = RunFiles.of_checkpoint(prefix).read_settings()
    kind, gelu = settings.get("kind"), settings.get("gelu")
    return Recorded(
        kind if kind in names.CLASSIFIER_CLASSES else None,
        gelu if gelu in ("tanh", "erf") else None,
        settings.get(_LOWER_CASE),
    )
