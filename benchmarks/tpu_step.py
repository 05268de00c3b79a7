"""What a training step costs on a TPU v3, by its compiler's estimate; no TPU is needed.

Each line is a model at the paper's shapes on one core of a v3-8, as estimate_tpu.py prices it,
beside google-research/bert's own step, compiled in the same way. Then what LERT's heads and LAMB
cost over the masked language model with AdamW, what bfloat16 is worth, and what adding up the
gradients of all cores costs on each (without the time on the network).

  python benchmarks/tpu_step.py              all, about a quarter of an hour on two cores
  python benchmarks/tpu_step.py --models=base-128

The compiler is installed at the first run; see estimate_tpu.py.
"""

import concurrent.futures
import json
import os
import subprocess
import sys
from typing import Any, NamedTuple

from absl import flags

from bert_wwm.cli import app
from bert_wwm.core.errors import ToolkitError

FLAGS = flags.FLAGS

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


class Row(NamedTuple):
    """A model and its shapes, and google-research/bert's figures for them.

    Attributes:
        config: name of the file in configs.
        length: tokens of a sequence.
        batch: examples a core.
        predictions: of a sequence.
        megacycles: of google-research/bert's step: AdamW, float32, one-hot lookup.
        temporaries: of the same, GiB.
    """

    config: str
    length: int
    batch: int
    predictions: int
    megacycles: float
    temporaries: float

    def flags(self) -> list[str]:
        return [
            f"--bert_config_file=configs/{self.config}.json",
            f"--max_seq_length={self.length}",
            f"--batch_per_core={self.batch}",
            f"--max_predictions_per_seq={self.predictions}",
            "--gelu=tanh",
        ]


ROWS = {
    "base-128": Row("bert_base", 128, 320, 20, 730, 13.0),
    "base-512": Row("bert_base", 512, 48, 76, 641, 13.2),
    "large-512": Row("bert_large", 512, 16, 75, 631, 10.6),
}
VARIANTS = {
    "AdamW": ["--one_core"],
    "LAMB": ["--one_core", "--optimizer=lamb"],
    "LERT": ["--one_core", "--masking_strategy=lert", "--pairing=contiguous"],
    "float32": ["--one_core", "--nouse_bfloat16"],
    "all 8 cores": [],
}

flags.DEFINE_multi_enum("models", list(ROWS), list(ROWS), "What to estimate.")
flags.DEFINE_multi_enum("variants", list(VARIANTS), list(VARIANTS), "Of each model.")
flags.DEFINE_integer("num_processes", 2, "Estimates at a time.", lower_bound=1)


def main(_) -> None:
    jobs = [(model, variant) for model in FLAGS.models for variant in FLAGS.variants]
    with concurrent.futures.ThreadPoolExecutor(FLAGS.num_processes) as pool:
        estimates = dict(zip(jobs, pool.map(lambda job: estimate(*job), jobs)))
    print(
        "AdamW, masked LM and next sentence, dropout 0.1, one core of a TPU v3; ours in bfloat16\n"
    )
    print(f"{'':<11}{'google-research/bert':>24}{'ours':>24}")
    print(f"{'':<11}{'Mcycles':>12}{'GiB':>12}{'Mcycles':>12}{'GiB':>12}{'times as fast':>16}")
    for model in FLAGS.models:
        row, ours = ROWS[model], estimates.get((model, "AdamW"))
        if ours:
            cycles = ours["estimated_megacycles"]
            print(
                f"{model:<11}{row.megacycles:>12.0f}{row.temporaries:>12.1f}{cycles:>12.1f}"
                f"{ours['temp_gib']:>12.2f}{row.megacycles / cycles:>16.2f}"
            )
    print(f"\n{'Mcycles':<11}" + "".join(f"{variant:>20}" for variant in FLAGS.variants))
    for model in FLAGS.models:
        print(f"{model:<11}" + "".join(against(estimates, model, v) for v in FLAGS.variants))
    print("\nGiB are those of the temporaries: activations and gradients.")


def against(estimates: dict[Any, dict[str, Any]], model: str, variant: str) -> str:
    """The cycles of a variant, and how many more than AdamW's."""
    cycles = estimates[model, variant]["estimated_megacycles"]
    if (model, "AdamW") not in estimates:
        return f"{cycles:>20.1f}"
    more = cycles / estimates[model, "AdamW"]["estimated_megacycles"] - 1
    return f"{f'{cycles:.1f} ({100 * more:+.1f} %)':>20}" if more else f"{cycles:>20.1f}"


def estimate(model: str, variant: str) -> dict[str, Any]:
    """Returns what estimate_tpu.py --json prints."""
    command = ["estimate_tpu.py", *ROWS[model].flags(), "--topology=v3-8", "--use_bfloat16"]
    ran = subprocess.run(
        [sys.executable, *command, *VARIANTS[variant], "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise ToolkitError(f"{model}, {variant}: {ran.stderr.strip() or 'killed'}")
    found = json.loads(ran.stdout)
    if not found["fits"]:
        raise ToolkitError(f"{model}, {variant}: doesn't fit")
    print(f"{model}, {variant}: done", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    app.run(main)
