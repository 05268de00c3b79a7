"""Prints a table, in Markdown, of what each recipe costs on a TPU slice, by estimate_tpu.py.

Each recipe runs with --use_bfloat16, and in as many parts (--num_accumulation_steps) as its header
says for the slice. Twenty compilations: about half an hour on two cores.

  python benchmarks/tpu_recipes.py                       on a v3-8
  python benchmarks/tpu_recipes.py --recipes=rbt3,rbtl3 --topology=v4-8
"""

import re
from typing import Any

from absl import flags
from measure import define_num_processes, estimate_tpu

from bert_wwm.cli import app
from bert_wwm.cli.recipes import RECORDS, find_recipes, load_recipe

FLAGS = flags.FLAGS

flags.DEFINE_list("recipes", None, "Names of configs/recipes; by default all.")
flags.DEFINE_string("topology", "v3-8", "The slice; see estimate_tpu.py.")
define_num_processes()

HEADER = ("recipe", "fits", "examples a core", "GiB a core", "ms a step", "peak", "steps", "hours")


def main(_) -> None:
    names = FLAGS.recipes or find_recipes()
    found = estimate_tpu({name: list_arguments(name) for name in names})
    for cells in (HEADER, ["---"] * len(HEADER), *map(make_row, found, found.values())):
        print(f"| {' | '.join(cells)} |")


def list_arguments(name: str) -> list[str]:
    header = load_recipe(name).header
    # Of the parts on a slice a header says: "on a v3-8 with --num_accumulation_steps=8".
    asked = re.search(
        rf"on a {re.escape(FLAGS.topology)} with (--num_accumulation_steps=\d+)",
        header["estimated"],
    )
    return [
        f"--flagfile=configs/recipes/{name}.flags",
        f"--topology={FLAGS.topology}",
        f"--pairing={load_recipe(header['records'], RECORDS).flags['pairing']}",
        "--use_bfloat16",
        *([asked[1]] if asked else []),
    ]


def make_row(name: str, found: dict[str, Any]) -> list[str]:
    link = f"[{name}](configs/recipes/{name}.flags)"
    parts = found["num_accumulation_steps"]
    batch = f"{found['batch_per_core'] // parts}" + (f" x {parts}" if parts > 1 else "")
    if not found["fits"]:
        largest = (found["largest"] or {"batch_per_core": 0})["batch_per_core"]
        return [link, f"no; {largest // parts} does", batch, *["-"] * (len(HEADER) - 3)]
    return [
        link,
        "yes",
        batch,
        f"{found['used_gib']:.1f}",
        f"{found['step_ms']:,.0f}",
        f"{100 * found['share_of_peak']:.0f} %",
        f"{found['steps']:,}",
        f"{found['hours']:,.1f}",
    ]


if __name__ == "__main__":
    app.run(main)
