"""Prints a table of the recipes, in Markdown: what each reproduces, and its numbers.

Example:
  python scripts/list_recipes.py
"""

from bert_wwm.cli import app
from bert_wwm.cli.recipes import find_recipes, load_recipe

_COLUMNS = {
    "tokens": "max_seq_length",
    "batch": "train_batch_size",
    "steps": "num_train_steps",
    "warmup": "num_warmup_steps",
    "peak rate": "learning_rate",
    "optimizer": "optimizer",
}


def main(_) -> None:
    names = ["recipe", "reproduces", *_COLUMNS]
    rows = [names, ["---"] * len(names)]
    for name in find_recipes():
        recipe = load_recipe(name)
        values = [recipe.flags[flag] for flag in _COLUMNS.values()]
        shown = [f"{int(value):,}" if value.isdecimal() else value for value in values]
        link = f"[{name}](configs/recipes/{name}.flags)"
        rows.append([link, recipe.header["reproduces"], *shown])
    for row in rows:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    app.run(main)
