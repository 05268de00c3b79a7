"""How to train."""

import dataclasses
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How to train; the flags of the same names.

    Attributes:
        learning_rate: the peak.
        num_train_steps: steps of the whole training.
        num_warmup_steps: of these, steps of the warmup.
        train_batch_size: examples of a step, on all devices together.
        optimizer: a name in ``OPTIMIZERS``.
        num_accumulation_steps: parts that each device works its examples of a step off in.
        use_tpu: whether the steps run on TPU cores.
        use_bfloat16: whether activations are bfloat16; weights stay float32.
        init_checkpoint: where the weights start from; None for random ones.
        init_layers: the checkpoint's layers that the model's start from; None: the first ones.
        allow_random_init: variables of the encoder that may start at random.
        random_seed: of dropout.
        log_every_steps: steps between two lines of progress.
        stop_on_nan: stop where the loss or the gradients are not finite; else pass the step over.
        layer_decay: what the learning rate of each layer is of that of the layer above it.
        gradient_checkpointing: keep the layers' inputs only, and compute the rest again where
            gradients need it.
        skip_padding: in training compute nothing for padding in dense layers, and little in
            attention. Not on TPUs.
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
