"""A model in memory: its weights, its configuration and its vocabulary."""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from bert_wwm.convert import names
from bert_wwm.core.errors import CheckpointError, list_few
from bert_wwm.model import untrained_head

# Why the optimizer's variables are skipped.
OPTIMIZERS = "the optimizer's, no weights"
_VECTORS_OF_ONES = "/gamma"
_MATRICES = re.compile(r"(^|/)(kernel|output_weights|\w+_embeddings)$")


class AddedToken(NamedTuple):
    """A token that Hugging Face's tokenizers look for before they split a text."""

    options: Mapping[str, bool]  # how it is found: tokenizer.json's lstrip, special, ...
    in_vocabulary: bool  # whether it is one of the pieces too that words are split into


@dataclass
class Pretrained:
    """A model in one form, whatever it was read from."""

    # By google-research/bert's names, kernels of shape [in, out]; nothing of the optimizer.
    tensors: dict[str, np.ndarray]
    config: dict[str, Any]  # the values of bert_config.json
    vocabulary: list[str]  # in the order of the ids
    do_lower_case: bool = True
    # The optimizer's slots and global_step by name, where they were read.
    optimizer_state: dict[str, np.ndarray] = field(default_factory=dict)
    # Tokens of the vocabulary that Hugging Face's tokenizers look for first, but for [CLS] etc.
    added_tokens: dict[str, AddedToken] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)  # in the order of a classifier's outputs
    kind: str = ""  # what a fine-tuned classifier judges: a key of names.CLASSIFIER_CLASSES
    # The source's name of each tensor that has another one there.
    origins: dict[str, str] = field(default_factory=dict)
    # Why what else the source holds is not among the tensors, by its names there.
    skipped: dict[str, str] = field(default_factory=dict)
    made_up: list[str] = field(default_factory=list)  # tensors that the source lacks
    notes: list[str] = field(default_factory=list)  # what else its user should know, in sentences

    @property
    def num_classes(self) -> int:
        """Outputs of the fine-tuned classifier; 0 where there is none."""
        bias = self.tensors.get("output_bias")
        return 0 if bias is None else bias.size

    @property
    def label_names(self) -> list[str]:
        """The classes of the classifier; as Hugging Face numbers them where they have no names."""
        return self.labels or [f"LABEL_{number}" for number in range(self.num_classes)]

    @property
    def parts(self) -> list[str]:
        """The parts of BERT that it has, whole or not."""
        return names.find_parts(self.tensors)

    @property
    def architecture(self) -> str:
        """The class of Hugging Face's that loads it with its heads."""
        return names.choose_architecture(self.parts, self.kind)

    def drop_optimizer_state(self) -> None:
        """Drops the optimizer's slots and ``global_step``."""
        self.skipped.update((name, OPTIMIZERS) for name in self.optimizer_state)
        self.optimizer_state.clear()

    def variables(self, parts: Iterable[str]) -> dict[str, list[int]]:
        """Returns names and shapes of the tensors that parts of such a model consist of."""
        return names.variables(self.config, parts, self.num_classes)


def check(model: Pretrained, source: str) -> None:
    """Raises CheckpointError where weights, configuration and vocabulary don't fit each other.

    Makes weights float32, and notes a masked LM head that was never trained.
    """
    _widen_weights(model, source)
    layers, stored = model.config["num_hidden_layers"], names.count_layers(model.tensors)
    if layers > stored:  # said first: names of a billion layers fill the memory
        raise CheckpointError(
            f"{source}: has weights of {stored} layers, but num_hidden_layers is {layers}; "
            "expected the weights of a BERT of this configuration"
        )
    expected = model.variables([names.ENCODER, *model.parts])
    differing = [
        f"{name} has shape {list(model.tensors[name].shape)}, not {shape}"
        for name, shape in expected.items()
        if name in model.tensors and list(model.tensors[name].shape) != shape
    ]
    beyond = [name for name in model.tensors if names.find_row(name) and name not in expected]
    differing += [f"{name} is of no layer that the configuration has" for name in beyond]
    lacking = [name for name in model.variables([names.ENCODER]) if name not in model.tensors]
    differing += [f"{name} of the encoder is lacking" for name in lacking]
    if differing:
        raise CheckpointError(
            f"{source}: the weights don't fit the configuration: {list_few(differing)}; expected "
            "those of one model"
        )
    pieces, rows = len(model.vocabulary), model.config["vocab_size"]
    if pieces > rows:
        raise CheckpointError(
            f"{source}: the vocabulary has {pieces:,} pieces, but the word embeddings have "
            f"{rows:,} rows; expected a row for each"
        )
    note = untrained_head.describe(model.tensors)
    if note:
        model.notes.append(note)
    if pieces < rows:
        model.notes.append(f"{rows - pieces:,} rows of the word embeddings are of no piece")
    if model.labels and model.num_classes not in (0, len(model.labels)):
        raise CheckpointError(
            f"{source}: {len(model.labels)} labels for {model.num_classes} classes; expected one "
            "of each"
        )
    twice = [label for label, count in Counter(model.labels).items() if count > 1]
    if twice:
        raise CheckpointError(
            f"{source}: several of its classes are called {list_few(twice)}; expected a name for "
            "each"
        )


def _widen_weights(model: Pretrained, source: str) -> None:
    """Makes weights of 16 bits float32, which loses nothing, and notes what is no finite number."""
    widened = []
    for name, tensor in model.tensors.items():
        kind = tensor.dtype.name
        if kind in ("float16", "bfloat16"):
            model.tensors[name] = tensor.astype(np.float32)
            widened.append(kind)
        elif kind != "float32" and names.find_row(name):
            raise CheckpointError(
                f"{source}: {name} is {kind}; expected float32, float16 or bfloat16"
            )
    if widened:
        model.notes.append(
            f"{len(widened)} tensors of type {', '.join(sorted(set(widened)))} became float32"
        )
    for name, tensor in model.tensors.items():
        count = tensor.dtype == np.float32 and np.count_nonzero(~np.isfinite(tensor))
        if count:
            model.notes.append(
                f"{name}: {count:,} of {tensor.size:,} values are no finite numbers; they stay as "
                "they are"
            )


def complete(model: Pretrained, parts: Iterable[str], strict: bool, source: str) -> None:
    """Makes up what the model lacks of some parts, from a seed that depends on the name alone.

    Matrices come from the truncated normal that training starts from, biases are 0, and factors
    of layer norms 1.
    """
    expected = model.variables(parts)
    lacking = [name for name in expected if name not in model.tensors]
    if lacking and strict:
        raise CheckpointError(
            f"{source}: lacks {list_few(lacking)}, which would have to be made up; --nostrict "
            "would allow it"
        )
    for name in lacking:
        model.tensors[name] = _make_up(name, expected[name], model.config["initializer_range"])
        model.made_up.append(name)


def _make_up(name: str, shape: list[int], initializer_range: float) -> np.ndarray:
    if name.endswith(_VECTORS_OF_ONES):
        return np.ones(shape, np.float32)
    if not _MATRICES.search(name):
        return np.zeros(shape, np.float32)
    rng = np.random.default_rng(zlib.crc32(name.encode("ascii")))
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(np.count_nonzero(outside))
    return (initializer_range * values).astype(np.float32)
