"""How to train."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How to train; the flags of the same names say more."""

    learning_rate: float  # the peak
    num_train_steps: int
    num_warmup_steps: int
    train_batch_size: int = 32  # examples of a step, on all devices together
    optimizer: str = "adamw"
    num_accumulation_steps: int = 1  # micro-batches of a step on each device
    use_tpu: bool = False
    use_bfloat16: bool = False
    use_float16: bool = False  # and scale the loss; not on TPUs
    init_checkpoint: str | None = None
    init_layers: Sequence[int] | None = None  # None: the first ones
    allow_random_init: Sequence[str] = ()  # variables of the encoder that may start at random
    random_seed: int = 12345  # of dropout
    log_every_steps: int = 100
    stop_on_nan: bool = True
    layer_decay: float = 1.0  # a layer's learning rate, as a fraction of that of the layer above it
    gradient_checkpointing: bool = False
    # Compute nothing for padding in dense layers, and little in attention. Not on TPUs.
    skip_padding: bool = False
    # Lengths that a step is compiled for, ascending; the last, or only, is that of the features.
    tpu_buckets: Sequence[int] = ()
    use_one_hot_embeddings: bool = False  # look words up by a product; a TPU does anyway
