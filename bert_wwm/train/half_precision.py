"""Whether this machine computes in half precision fast."""

import re
from collections.abc import Callable

from bert_wwm.compat import tf

_CPU_INFO = "/proc/cpuinfo"
# Intel's and AMD's names, and ARM's.
_INSTRUCTIONS = re.compile(r"^(?:flags|Features)\s*:.*\b(?:amx_bf16|avx512_bf16|bf16)\b", re.M)


def check_half_precision(use_tpu: bool, use_float16: bool, log: Callable[[str], None]) -> None:
    """Logs a line where half precision makes a step slower: on a CPU without instructions for it.

    The half precision is bfloat16 if it isn't float16.
    """
    if use_tpu or tf.config.list_physical_devices("GPU"):
        return
    if use_float16:
        log("--use_float16: is for GPUs; on a CPU steps take longer than in float32")
        return
    try:
        with open(_CPU_INFO, encoding="ascii", errors="replace") as file:
            is_fast = _INSTRUCTIONS.search(file.read())
    except OSError:
        return  # not Linux
    if not is_fast:
        log(
            "--use_bfloat16: this CPU has no instructions for bfloat16 (amx_bf16 or avx512_bf16), "
            "so steps take longer than in float32"
        )
