"""One training step: gradients, the learning rate, clipping, the update, the count of steps."""

from collections.abc import Sequence
from typing import NamedTuple

from bert_wwm.compat import tf
from bert_wwm.train.loss_scale import LossScale
from bert_wwm.train.optimizers import OPTIMIZERS
from bert_wwm.train.schedules import layer_scales, warmup_and_linear_decay
from bert_wwm.train.settings import TrainingSettings

# google-research/bert's settings, which HFL kept for all its models.
_WEIGHT_DECAY_RATE = 0.01
_EXCLUDE_FROM_WEIGHT_DECAY = ("LayerNorm", "layer_norm", "bias")
_BETA_1 = 0.9
_BETA_2 = 0.999
_CLIP_NORM = 1.0


class TrainStep(NamedTuple):
    """One step of training; its numbers are scalars."""

    train_op: tf.Operation  # updates the weights, then adds 1 to the global step
    learning_rate: tf.Tensor  # float32, of that step
    gradient_norm: tf.Tensor  # float32, the global norm before clipping; on a TPU that of this core
    # bool; where loss or gradients are not finite numbers, the step changes no weight and no slot
    finite: tf.Tensor
    # LAMB's, float32 of shape [variables]; None where the optimizer has none. Of several replicas
    # the first has those of all copies, the others None.
    trust_ratios: tf.Tensor | None
    loss_scaling: dict[str, tf.Tensor]  # what ``LossScale`` shows; empty without it


def all_reduce(tensors: list[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the sums over the replicas of a ``tf.distribute`` strategy; elsewhere the same."""
    if tf.distribute.get_strategy().num_replicas_in_sync == 1:
        return tensors

    # ReplicaContext.all_reduce does the same, but trips over some graphs where it looks for
    # variables to differentiate by.
    def add(strategy: "tf.distribute.Strategy", values: list[tf.Tensor]) -> list[tf.Tensor]:
        pairs = [(value, value) for value in values]
        return strategy.extended.batch_reduce_to(tf.distribute.ReduceOp.SUM, pairs)

    return list(tf.distribute.get_replica_context().merge_call(add, args=(tensors,)))


def compute_gradients(loss: tf.Tensor) -> tuple[list[tf.Tensor], list[tf.Variable]]:
    """Returns dense gradients, and the trainable variables that the loss depends on."""
    variables = tf.trainable_variables()
    pairs = [
        (tf.convert_to_tensor(gradient), variable)
        for gradient, variable in zip(tf.gradients(loss, variables), variables)
        if gradient is not None
    ]
    if not pairs:
        raise ValueError("the loss depends on no trainable variable")
    gradients, variables = zip(*pairs)
    return list(gradients), list(variables)


def update_weights(
    loss: tf.Tensor,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[tf.Variable],
    settings: TrainingSettings,
    loss_scale: LossScale | None = None,
) -> TrainStep:
    """Builds the operation that takes one step along the dense gradients of this replica.

    The order within a step is fixed: the learning rate is the schedule at the step's own number,
    counted from 0, the weights change, then the global step goes up by one. So the first step of a
    warmup has rate 0, and runs from the same weights agree.

    Over the replicas of a ``tf.distribute`` strategy gradients are added up, then clipped to a
    global norm of 1: the step of one device on the whole batch. On several TPU cores they are
    clipped on each and then added up, as in google-research/bert, with which HFL trained.

    Of ``loss``, a float32 scalar, only whether it is finite counts. With ``loss_scale`` the
    gradients are those of the loss times its factor.
    """
    rate_scale = layer_scales([variable.name for variable in variables], settings.layer_decay)
    global_step = tf.train.get_or_create_global_step()
    learning_rate = warmup_and_linear_decay(
        global_step, settings.learning_rate, settings.num_train_steps, settings.num_warmup_steps
    )
    gradients = all_reduce(list(gradients))
    norm = tf.linalg.global_norm(gradients)
    if loss_scale:
        norm /= loss_scale.value
    finite = tf.math.is_finite(norm) & tf.math.is_finite(loss)
    if settings.use_tpu:
        finite = tf.equal(tf.tpu.cross_replica_sum(tf.cast(~finite, tf.float32)), 0.0)
    # Clips, and makes 0 of what isn't finite.
    scale = tf.where(finite, _CLIP_NORM / tf.maximum(norm, _CLIP_NORM), 0.0)
    if loss_scale:
        scale /= loss_scale.value
    gradients = [tf.math.multiply_no_nan(gradient, scale) for gradient in gradients]
    if settings.use_tpu:
        gradients = [tf.tpu.cross_replica_sum(gradient) for gradient in gradients]
    # Decay rates of 1 and gradients of 0 leave the moments as they are, a rate of 0 the weights.
    updater = OPTIMIZERS[settings.optimizer](
        learning_rate=tf.where(finite, learning_rate, 0.0),
        weight_decay_rate=_WEIGHT_DECAY_RATE,
        beta_1=tf.where(finite, _BETA_1, 1.0),
        beta_2=tf.where(finite, _BETA_2, 1.0),
        exclude_from_weight_decay=_EXCLUDE_FROM_WEIGHT_DECAY,
        rate_scale=rate_scale,
    )
    updates = [updater.apply_reduced_gradients(zip(gradients, variables)), learning_rate]
    loss_scaling: dict[str, tf.Tensor] = {}
    if loss_scale:
        scale_update, loss_scaling = loss_scale.update(finite)
        updates.append(scale_update)
    with tf.control_dependencies(updates):
        train_op = tf.assign_add(global_step, 1)
    return TrainStep(
        tf.group(train_op), learning_rate, norm, finite, updater.trust_ratios(), loss_scaling
    )


def build_train_step(loss: tf.Tensor, settings: TrainingSettings) -> TrainStep:
    """Builds a step over all trainable variables; over replicas the mean of their losses counts."""
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    gradients, variables = compute_gradients(loss / replicas if replicas > 1 else loss)
    return update_weights(loss, gradients, variables, settings)


def create_optimizer(
    loss: tf.Tensor,
    init_lr: float,
    num_train_steps: int,
    num_warmup_steps: int | None,
    use_tpu: bool,
    optimizer: str = "adamw",
) -> tf.Operation:
    """google-research/bert's way in: the ``train_op`` of ``build_train_step``."""
    settings = TrainingSettings(
        init_lr, num_train_steps, num_warmup_steps or 0, use_tpu=use_tpu, optimizer=optimizer
    )
    return build_train_step(loss, settings).train_op
