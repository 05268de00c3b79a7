"""Prints a table of the recipes, in Markdown: what each reproduces, and its numbers.

A recipe is a flagfile of run_pretraining.py. Its header says how the records are made, how it is
trained, and how sure each number is.

Example:
  python scripts/list_recipes.py
"""

import pathlib
from typing import NamedTuple

from bert_wwm.cli import app
from bert_wwm.core.errors import DataError

RECIPES = pathlib.Path(__file__).resolve().parent.parent / "configs" / "recipes"
_COLUMNS = {
    "tokens": "max_seq_length",
    "batch": "train_batch_size",
    "steps": "num_train_steps",
    "warmup": "num_warmup_steps",
    "peak rate": "learning_rate",
    "optimizer": "optimizer",
}


class Recipe(NamedTuple):
    """A flagfile and its header.

    Attributes:
        name: the file's, without its ending.
        header: the text of each part of the header, by the part's name.
        flags: the values of the flags; "" for those without.
    """

    name: str
    header: dict[str, str]
    flags: dict[str, str]


def read_recipe(path: pathlib.Path) -> Recipe:
    """Reads a recipe.

    Raises:
        DataError: a line belongs to no part of the header, or is no flag.
    """
    header: dict[str, list[str]] = {}
    flags: dict[str, str] = {}
    part = ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#   ") and part:
            header[part].append(line[4:])
        elif line.startswith("# ") and ":" in line:
            part, _, text = line[2:].partition(":")
            header[part] = [text.strip()] if text else []
        elif line.startswith("--"):
            name, _, value = line[2:].partition("=")
            flags[name] = value
        elif line:
            raise DataError(
                f"{path}:{number}: {line!r}; expected '# part: text', a further line of it that "
                "begins with '#   ', or a flag"
            )
    return Recipe(path.stem, {name: "\n".join(lines) for name, lines in header.items()}, flags)


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def main(_) -> None:
    print(row(["recipe", "reproduces", *_COLUMNS]))
    print(row(["---"] * (2 + len(_COLUMNS))))
    for path in sorted(RECIPES.glob("*.flags"), key=lambda path: path.stem):
        recipe = read_recipe(path)
        numbers = [recipe.flags[flag] for flag in _COLUMNS.values()]
        shown = [f"{int(number):,}" if number.isdecimal() else number for number in numbers]
        reproduces = recipe.header["reproduces"].replace("\n", " ")
        link = f"[{recipe.name}](configs/recipes/{path.name})"
        print(row([link, reproduces, *shown]))


if __name__ == "__main__":
    app.run(main)
