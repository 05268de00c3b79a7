"""Recipes: files of flags with a header, in configs/recipes and configs/records."""

import os
from typing import NamedTuple

from bert_wwm.cli.steps import ROOT
from bert_wwm.core import files
from bert_wwm.core.errors import DataError

RECIPES = os.path.join(ROOT, "configs", "recipes")
RECORDS = os.path.join(ROOT, "configs", "records")


class Recipe(NamedTuple):
    """A file of flags and its header."""

    name: str  # the file's, without its ending
    header: dict[str, str]  # the text of each part of the header, by the part's name
    flags: dict[str, str]  # "" for those without a value


def find_recipes(folder: str = RECIPES) -> list[str]:
    """Returns the names of a folder's recipes."""
    names = (os.path.splitext(name) for name in os.listdir(folder))
    return sorted(name for name, ending in names if ending == ".flags")


def read_recipe(path: str) -> Recipe:
    """Reads a recipe: in its header ``# part: text`` begins a part, ``#   text`` continues it."""
    header: dict[str, str] = {}
    flags: dict[str, str] = {}
    part = ""
    for number, line in enumerate(files.read_lines(path), 1):
        if line.startswith("#   ") and part:
            header[part] = f"{header[part]} {line[4:].strip()}".strip()
        elif line.startswith("# ") and ":" in line:
            part, _, text = line[2:].partition(":")
            header[part] = text.strip()
        elif line.strip().startswith("-"):
            name, _, value = line.strip().lstrip("-").partition("=")
            flags[name] = value
        elif line.strip() and not line.startswith(("#", "//")):
            raise DataError(f"{path}:{number}: {line!r}; expected a comment, or --flag=value")
    return Recipe(os.path.splitext(os.path.basename(path))[0], header, flags)


def load_recipe(name: str, folder: str = RECIPES) -> Recipe:
    """Reads a recipe of a folder of the checkout by its name."""
    return read_recipe(os.path.join(folder, f"{name}.flags"))
