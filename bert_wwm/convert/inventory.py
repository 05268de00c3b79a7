"""What became of each tensor of a model on its way from one form to another."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bert_wwm.convert.pretrained import OPTIMIZERS, Pretrained

_LAYER = re.compile(r"^(.*/layer_\d+/|.*\.layers?\.\d+\.|.*/layer_\._\d+/)")


@dataclass
class Inventory:
    """Names of tensors: in the source, and where it says so in the output.

    Attributes:
        converted: those of the output, by their names in the source.
        beside: those that the output holds in another file than the weights, likewise.
        kept_state: the optimizer's that are in the output.
        skipped: why the others of the source are not in the output.
        made_up: those of the output that the source lacks.
        notes: what else there is to say, in sentences.
    """

    converted: dict[str, str] = field(default_factory=dict)
    beside: dict[str, str] = field(default_factory=dict)
    kept_state: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    made_up: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def report(self) -> str:
        """Returns a table: how many tensors, and which, those of a layer in one line."""
        lines = _group("converted", self.converted)
        if self.beside:
            lines += _group("kept in another file", self.beside)
        if self.kept_state:
            lines.append(_count("optimizer's, kept", len(self.kept_state)))
        lines.append(_count("skipped", len(self.skipped)))
        for why in dict.fromkeys(self.skipped.values()):
            of_why = [name for name in self.skipped if self.skipped[name] == why]
            if why == OPTIMIZERS:
                lines.append(f"    {len(of_why)} variables: {why}")
            else:
                lines += [f"    {line}: {why}" for line in _folded({n: n for n in of_why})]
        lines += _group("made up", {name: name for name in self.made_up})
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)


def take(model: Pretrained, inside: Mapping[str, str]) -> Inventory:
    """Makes the inventory of a model that is written.

    Args:
        model: the model.
        inside: the output's name of each tensor that its weights hold; the other ones lie beside.
    """
    inventory = Inventory(
        kept_state=list(model.optimizer_state),
        skipped=dict(model.skipped),
        made_up=list(model.made_up),
        notes=list(model.notes),
    )
    for name in model.tensors:
        if name not in model.made_up:
            where = inventory.converted if name in inside else inventory.beside
            where[model.origins.get(name, name)] = inside.get(name, name)
    return inventory


def _count(title: str, number: int) -> str:
    return f"  {title:<24}{number:>6}"


def _group(title: str, names: Mapping[str, str]) -> list[str]:
    return [_count(title, len(names)), *(f"    {line}" for line in _folded(names))]


def _folded(names: Mapping[str, str]) -> list[str]:
    """Returns names, and new ones where they differ; of a layer one line with their number."""
    counts: dict[str, int] = Counter()
    for name, new in names.items():
        layer, new_layer = _LAYER.match(name), _LAYER.match(new)
        old, there = (f"{layer[1]}*", f"{new_layer[1]}*") if layer and new_layer else (name, new)
        counts[old if old == there else f"{old} -> {there}"] += 1
    return [f"{line} ({count})" if "*" in line else line for line, count in counts.items()]
