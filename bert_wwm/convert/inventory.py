"""What became of each tensor of a model on its way from one form to another."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bert_wwm.convert.pretrained import OPTIMIZERS, Pretrained

_LAYER = re.compile(r"^(.*/layer_\d+/|.*\.layers?\.\d+\.|.*/layer_\._\d+/)")


class Written(NamedTuple):
    """What a model was written as.

    Attributes:
        form: the checkpoint, or the class that loads it.
        names: the output's name of each tensor that its weights hold.
        why_skipped: why the output lacks the other tensors; "" if another file of it has them.
        notes: what its user should know, in sentences.
    """

    form: str
    names: Mapping[str, str]
    why_skipped: str = ""
    notes: Iterable[str] = ()


def describe_tensors(model: Pretrained, written: Written) -> str:
    """Returns a table: how many tensors went where, and which, those of a layer in one line."""
    converted, beside, skipped = {}, {}, dict(model.skipped)
    for name in model.tensors:
        origin = model.origins.get(name, name)
        if name in model.made_up:
            continue
        if name in written.names:
            converted[origin] = written.names[name]
        elif written.why_skipped:
            skipped[origin] = written.why_skipped
        else:
            beside[origin] = name
    lines = _group("converted", converted)
    if beside:
        lines += _group("kept in another file", beside)
    if model.optimizer_state:
        lines.append(_count("optimizer's, kept", len(model.optimizer_state)))
    lines.append(_count("skipped", len(skipped)))
    for reason in dict.fromkeys(skipped.values()):
        which = {name: name for name in skipped if skipped[name] == reason}
        if reason == OPTIMIZERS:
            lines.append(f"    {len(which)} variables: {reason}")
        else:
            lines += [f"    {line}: {reason}" for line in _fold_layers(which)]
    lines += _group("made up", {name: name for name in model.made_up})
    lines += [f"  note: {note}" for note in [*model.notes, *written.notes]]
    return "\n".join(lines)


def _count(title: str, number: int) -> str:
    return f"  {title:<24}{number:>6}"


def _group(title: str, names: Mapping[str, str]) -> list[str]:
    return [_count(title, len(names)), *(f"    {line}" for line in _fold_layers(names))]


def _fold_layers(names: Mapping[str, str]) -> list[str]:
    """Returns names, and new ones where they differ; of a layer one line with their number."""
    counts: dict[str, int] = Counter()
    for name, new in names.items():
        layer, new_layer = _LAYER.match(name), _LAYER.match(new)
        old, there = (f"{layer[1]}*", f"{new_layer[1]}*") if layer and new_layer else (name, new)
        counts[old if old == there else f"{old} -> {there}"] += 1
    return [f"{line} ({count})" if "*" in line else line for line, count in counts.items()]
