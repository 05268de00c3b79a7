"""Flags of the model that is trained, and of the machine that trains it."""

import dataclasses
import os
from typing import Any

from absl import flags

from bert_wwm.core.choices import GELU_FORMS, OPTIMIZERS
from bert_wwm.core.errors import ConfigError

FLAGS = flags.FLAGS

flags.DEFINE_string("bert_config_file", None, "The model's shape, as JSON.")
flags.DEFINE_enum(
    "gelu",
    "erf",
    GELU_FORMS,
    "Form of the activation that the configuration calls gelu: erf, as HFL's LERT and Hugging "
    "Face have it, or the tanh approximation, as google-research/bert.",
)
flags.DEFINE_string("init_checkpoint", None, "Checkpoint that the weights start from.")
flags.DEFINE_list(
    "allow_random_init",
    [],
    "Variables of the encoder, or scopes such as bert/pooler, that may start at random where "
    "--init_checkpoint lacks them. Any other is an error.",
)
flags.DEFINE_enum("optimizer", "adamw", OPTIMIZERS, "The rule that updates the weights.")
flags.DEFINE_integer(
    "num_accumulation_steps",
    1,
    "Micro-batches per step and device (gradient accumulation), for batches that don't fit into "
    "memory. The step is the same up to rounding, but for dropout.",
    lower_bound=1,
)
flags.DEFINE_integer(
    "save_checkpoints_steps", 1000, "Steps between two checkpoints.", lower_bound=1
)
flags.DEFINE_bool(
    "use_bfloat16",
    False,
    "Activations in bfloat16, weights in float32: on TPUs, on GPUs from Ampere on, and on CPUs "
    "with amx_bf16 or avx512_bf16 in /proc/cpuinfo; others are slower with it.",
)
flags.DEFINE_bool(
    "use_float16",
    False,
    "Activations in float16, weights in float32, and a loss scale that adapts itself: for GPUs "
    "before Ampere (V100, T4, RTX 20). Steps whose gradients overflow are skipped and counted.",
)
flags.DEFINE_bool(
    "use_xla",
    False,
    "Let XLA compile what it can of a step on GPUs and CPUs (on CPUs that is slower, by some "
    "percent); TPUs always do.",
)
flags.DEFINE_bool("use_tpu", False, "Run on a TPU.")
flags.DEFINE_integer(
    "iterations_per_loop",
    1000,
    "Steps that a TPU takes before it returns to the host.",
    lower_bound=1,
)
flags.DEFINE_string(
    "tpu_name", None, "The TPU: local, that of this machine (a TPU VM); or the name of a pod."
)
flags.DEFINE_string("tpu_zone", None, "Zone of a pod, if it is not this machine's.")
flags.DEFINE_string("gcp_project", None, "Project of a pod, if it is not this machine's.")
flags.DEFINE_string("master", None, "Address of TensorFlow's master.")
flags.DEFINE_integer("num_tpu_cores", 8, "Cores of the TPU.", lower_bound=1)
flags.DEFINE_bool(
    "stop_on_nan",
    True,
    "Stop where the loss or a gradient is NaN or infinite. False: skip such steps, and count them. "
    "Weights do not change in either case.",
)
flags.DEFINE_bool(
    "gradient_checkpointing",
    False,
    "Keep only the layers' inputs in memory (on a TPU also the bits of dropout), and compute the "
    "rest again for the gradients: for large models; a step takes about a third longer.",
)
flags.DEFINE_bool(
    "skip_padding",
    True,
    "On CPUs and GPUs compute nothing for padding: the same batches, and the same results up to "
    "rounding. Fine-tuning predicts in batches of similar length. False: compute all up to "
    "--max_seq_length, as google-research/bert does. With --use_xla pretraining does, too, and "
    "fine-tuning pads batches to multiples of 64; on TPUs there are --tpu_buckets, and packed "
    "records.",
)


def check_tpu() -> None:
    if FLAGS.use_tpu and not (FLAGS.tpu_name or FLAGS.master):
        raise ConfigError("--use_tpu needs --tpu_name or --master")


def check_half_precision(use_tpu: bool) -> None:
    if FLAGS.use_float16 and use_tpu:
        raise ConfigError("--use_float16: is for GPUs; expected --use_bfloat16 on a TPU")
    if FLAGS.use_float16 and FLAGS.use_bfloat16:
        raise ConfigError("--use_float16 and --use_bfloat16: expected one of the two")


def prepare_xla() -> None:
    """Makes --use_xla work on CPUs too; to be called before TensorFlow is imported."""
    if FLAGS.use_xla:  # on GPUs the session's configuration is enough
        flags_before = os.environ.get("TF_XLA_FLAGS", "")
        os.environ["TF_XLA_FLAGS"] = f"{flags_before} --tf_xla_cpu_global_jit".strip()


def values_of(kind: Any) -> dict[str, Any]:
    """Returns the values of the flags that have the names of a dataclass's fields."""
    names = [field.name for field in dataclasses.fields(kind) if field.name in FLAGS]
    return {name: FLAGS[name].value for name in names}
