"""How to train."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How to train; the flags of the same names say more.

    Attributes:
        learning_rate: the peak.
        train_batch_size: examples of a step, on all devices together.
        num_accumulation_steps: micro-batches of a step on each device.
        init_layers: the checkpoint's layers that the model's start from; None: the first ones.
        allow_random_init: variables of the encoder that may start at random.
        random_seed: of dropout.
        layer_decay: the learning rate of a layer, as a fraction of that of the layer above it.
        skip_padding: compute nothing for padding in dense layers, and little in attention, while
            training. Not on TPUs.
        tpu_buckets: lengths that a step is compiled for, ascending; the last is that of the
            features. Empty for the features' only.
        use_one_hot_embeddings: look words up by a product; a TPU does anyway.
    """

    learning_rate: float
    num_train_steps: int
    num_warmup_steps: int
    train_batch_size: int
    optimizer: str = "adamw"
    num_accumulation_steps: int = 1
    use_tpu: bool = False
    use_bfloat16: bool = False
    init_checkpoint: str | None = None
    init_layers: Sequence[int] | None = None
    allow_random_init: Sequence[str] = ()
    random_seed: int = 12345
    log_every_steps: int = 100
    stop_on_nan: bool = True
    layer_decay: float = 1.0
    gradient_checkpointing: bool = False
    skip_padding: bool = False
    tpu_buckets: Sequence[int] = ()
    use_one_hot_embeddings: bool = False
