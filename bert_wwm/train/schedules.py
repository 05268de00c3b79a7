"""The learning rate as a function of the step."""

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError


def warmup_and_linear_decay(
    global_step: tf.Variable | tf.Tensor | int,
    init_lr: float,
    num_train_steps: int,
    num_warmup_steps: int | None = None,
) -> tf.Tensor:
    """google-research/bert's schedule (``optimization.py``): a line up, then a line down.

    Step t, counted from 0, has the learning rate

        init_lr * t / num_warmup_steps             while t < num_warmup_steps
        init_lr * (1 - t / num_train_steps)        from there to the end, and 0 after it

    The second line falls from step 0 on, not from the end of the warmup: at that point it
    drops from almost ``init_lr`` to ``1 - num_warmup_steps / num_train_steps`` of it.

    Args:
        global_step: integer scalar, the number t of the step.
        init_lr: the peak that the warmup heads for.
        num_train_steps: steps until the rate is 0, those of the warmup included.
        num_warmup_steps: steps of the warmup; None or 0 for none.

    Returns:
        float32 scalar.

    Raises:
        ConfigError: a number of steps makes no sense.
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
