"""What a training step costs on a TPU v3, by its compiler's estimate; no TPU is needed.

Each line is a model at the paper's shapes on one core of a v3-8, by estimate_tpu.py, beside
google-research/bert's own step, compiled in the same way. Then the cost of LERT's heads and LAMB
over the masked language model with AdamW, of float32 over bfloat16, and of adding up the gradients
of all cores on each (without the time on the network).

  python benchmarks/tpu_step.py              all, about a quarter of an hour on two cores
  python benchmarks/tpu_step.py --models=base-128

The compiler is installed at the first run; see estimate_tpu.py.
"""

from typing import NamedTuple

from absl import flags
from measure import Table, define_num_processes, estimate_tpu

from bert_wwm.cli import app
from bert_wwm.core.errors import ToolkitError

FLAGS = flags.FLAGS


class Row(NamedTuple):
    """A model and its shapes, and google-research/bert's figures for them."""

    config: str  # name of the file in configs
    length: int  # tokens of a sequence
    batch: int  # examples a core
    predictions: int  # of a sequence
    megacycles: float  # of google-research/bert's step: AdamW, float32, one-hot lookup
    temporaries: float  # of the same, GiB


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
define_num_processes()


def main(_) -> None:
    models, variants = FLAGS.models, FLAGS.variants
    estimates = estimate_tpu({f"{m}, {v}": list_arguments(m, v) for m in models for v in variants})
    for name, found in estimates.items():
        if not found["fits"]:
            raise ToolkitError(f"{name}: doesn't fit")
    print(
        "AdamW, masked LM and next sentence, dropout 0.1, one core of a TPU v3; ours in bfloat16\n"
    )
    print(f"{'':<11}{'google-research/bert':>24}{'ours':>24}")
    table = Table(
        "<11",
        ("Mcycles", ">12.0f"),
        ("GiB", ">12.1f"),
        ("Mcycles", ">12.1f"),
        ("GiB", ">12.2f"),
        ("times as fast", ">16.2f"),
    )
    cycles = {name: found["estimated_megacycles"] for name, found in estimates.items()}
    for model in models:
        name = f"{model}, AdamW"
        if name in cycles:
            row, ours = ROWS[model], cycles[name]
            figures = (row.megacycles, row.temporaries, ours, estimates[name]["temp_gib"])
            table.print_row(model, *figures, row.megacycles / ours)
    print()
    print(f"{'Mcycles':<11}" + "".join(f"{variant:>20}" for variant in variants))
    for model in models:
        print(f"{model:<11}" + "".join(compare(cycles, model, v) for v in variants))
    print("\nGiB are those of the temporaries: activations and gradients.")


def compare(cycles: dict[str, float], model: str, variant: str) -> str:
    """Returns the cycles of a variant, and how many more than AdamW's."""
    found = cycles[f"{model}, {variant}"]
    more = found / cycles.get(f"{model}, AdamW", found) - 1
    return f"{f'{found:.1f} ({100 * more:+.1f} %)':>20}" if more else f"{found:>20.1f}"


def list_arguments(model: str, variant: str) -> list[str]:
    row = ROWS[model]
    return [
        f"--bert_config_file=configs/{row.config}.json",
        f"--max_seq_length={row.length}",
        f"--batch_per_core={row.batch}",
        f"--max_predictions_per_seq={row.predictions}",
        "--gelu=tanh",
        "--topology=v3-8",
        "--use_bfloat16",
        *VARIANTS[variant],
    ]


if __name__ == "__main__":
    app.run(main)
