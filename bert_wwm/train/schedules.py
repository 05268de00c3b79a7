"""The learning rate as a function of the step, and of the layer."""

import re
from collections.abc import Callable, Iterable

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError

_LAYER = re.compile(r"(?:^|/)layer_(\d+)/")
_EMBEDDINGS = re.compile(r"(?:^|/)embeddings/")


def warmup_and_linear_decay(
    global_step: tf.Variable | tf.Tensor | int,
    init_lr: float,
    num_train_steps: int,
    num_warmup_steps: int | None = None,
) -> tf.Tensor:
    """google-research/bert's schedule (``optimization.py``): a line up, then a line down.

    Step t, counted from 0, has the learning rate (float32 scalar)

        init_lr * t / num_warmup_steps             while t < num_warmup_steps
        init_lr * (1 - t / num_train_steps)        from there to the end, and 0 after it

    The second line falls from step 0 on, not from the end of the warmup: at that point it
    drops from almost ``init_lr`` to ``1 - num_warmup_steps / num_train_steps`` of it.
    Without ``num_warmup_steps`` (None or 0) the rate falls from the first step on.
    """
    if num_train_steps < 1:
        raise ConfigError(f"num_train_steps is {num_train_steps}; expected at least 1")
    if num_warmup_steps is not None and num_warmup_steps < 0:
        raise ConfigError(f"num_warmup_steps is {num_warmup_steps}; expected 0 or more")
    step = tf.cast(global_step, tf.float32)
    rate = init_lr * (1.0 - tf.minimum(step, num_train_steps) / num_train_steps)
    if num_warmup_steps:
        rate = tf.where(step < num_warmup_steps, init_lr * (step / num_warmup_steps), rate)
    return rate


def layer_scales(names: Iterable[str], layer_decay: float) -> Callable[[str], float]:
    """Returns a function from a variable's name to the factor of its learning rate.

    It is ``layer_decay ** d``: of L layers ``layer_<i>`` has d = L - i, the embeddings below them
    L + 1, and what is above (pooler, heads) 0. So does BEiT (microsoft/unilm,
    beit/optim_factory.py). ELECTRA (google-research/electra, model/optimization.py) has d one
    higher in all layers and the embeddings: its top layer falls two powers short of the heads.
    L is known from ``names``, those of all variables that are trained.
    """
    if not 0.0 < layer_decay <= 1.0:
        raise ConfigError(f"layer_decay is {layer_decay}; expected a number above 0 and up to 1")
    matches = filter(None, map(_LAYER.search, names))
    num_layers = 1 + max((int(match[1]) for match in matches), default=-1)

    def scale(name: str) -> float:
        layer = _LAYER.search(name)
        if layer:
            return layer_decay ** (num_layers - int(layer[1]))
        return layer_decay ** (num_layers + 1) if _EMBEDDINGS.search(name) else 1.0

    return scale
