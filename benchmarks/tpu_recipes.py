"""Prints a table, in Markdown, of what each recipe costs on a TPU slice, by estimate_tpu.py.

Each recipe runs with --use_bfloat16, and in as many parts (--num_accumulation_steps) as its header
says for the slice. Twenty compilations: about half an hour on two cores.

  python benchmarks/tpu_recipes.py                       on a v3-8
  python benchmarks/tpu_recipes.py --recipes=rbt3,rbtl3 --topology=v4-8
"""

import concurrent.futures
import json
import re
import subprocess
import sys
from typing import Any

from absl import flags

from bert_wwm.cli import app
from bert_wwm.cli.recipes import RECORDS, find_recipes, load_recipe
from bert_wwm.cli.steps import ROOT
from bert_wwm.core.errors import ToolkitError

FLAGS = flags.FLAGS

flags.DEFINE_list("recipes", None, "Names of configs/recipes; by default all.")
flags.DEFINE_string("topology", "v3-8", "The slice; see estimate_tpu.py.")
flags.DEFINE_integer("num_processes", 2, "Estimates at a time.", lower_bound=1)

HEADER = ("recipe", "fits", "examples a core", "GiB a core", "ms a step", "peak", "steps", "hours")


def main(_) -> None:
    names = FLAGS.recipes or find_recipes()
    headers = [load_recipe(name).header for name in names]
    with concurrent.futures.ThreadPoolExecutor(FLAGS.num_processes) as pool:
        rows = list(pool.map(row_of, names, headers))
    for cells in (HEADER, ["---"] * len(HEADER), *rows):
        print(f"| {' | '.join(cells)} |")


def row_of(name: str, header: dict[str, str]) -> list[str]:
    found = estimate(name, header)
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


def estimate(name: str, header: dict[str, str]) -> dict[str, Any]:
    """Returns what estimate_tpu.py --json prints of a recipe."""
    command = [f"--flagfile=configs/recipes/{name}.flags", f"--topology={FLAGS.topology}"]
    command += parts_on(FLAGS.topology, header["estimated"])
    command.append(f"--pairing={load_recipe(header['records'], RECORDS).flags['pairing']}")
    ran = subprocess.run(
        [sys.executable, "estimate_tpu.py", *command, "--use_bfloat16", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise ToolkitError(f"{name}: {ran.stderr.strip() or 'killed'}")
    print(f"{name}: done", file=sys.stderr, flush=True)
    return json.loads(ran.stdout)


def parts_on(topology: str, estimated: str) -> list[str]:
    """Returns the flag that a header asks for on a slice, as "on a v3-8 with --...=8"."""
    found = re.search(rf"on a {re.escape(topology)} with (--num_accumulation_steps=\d+)", estimated)
    return [found[1]] if found else []


if __name__ == "__main__":
    app.run(main)
