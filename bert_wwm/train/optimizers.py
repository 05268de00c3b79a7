"""AdamW and LAMB as BERT and HFL's models were trained with, and the operation of one step."""

import re
from typing import Any, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Type, Union

from bert_wwm.compat import tf
from bert_wwm.core.registry import Registry
from bert_wwm.train.schedules import warmup_and_linear_decay

# google-research/bert's settings, which HFL kept for all its models.
_WEIGHT_DECAY_RATE = 0.01
_EXCLUDE_FROM_WEIGHT_DECAY = ("LayerNorm", "layer_norm", "bias")
_CLIP_NORM = 1.0

GradientsAndVariables = Iterable[Tuple[Any, tf.Variable]]


class TwoMomentOptimizer(tf.train.Optimizer):
    """What AdamW and LAMB share: two moments a weight, no bias correction, decoupled decay.

    A subclass names its slots and says what the update is. The moments are slots of the v1
    optimizer interface, variables ``<weight>/<slot>`` of the weight's shape that start at 0, so
    that strategies of ``tf.distribute`` and ``CrossShardOptimizer`` place them. Gradients of
    gathers (``tf.IndexedSlices``) are summed into dense ones, since all moments and weights decay
    at every step.

    ``apply_gradients`` leaves the global step alone, as google-research/bert's does: code written
    for it counts by itself.

    Args:
        learning_rate: a float, or a float32 scalar Tensor.
        weight_decay_rate: fraction of a weight that a rate of 1 would take off at each step.
        beta_1: decay rate of the mean of the gradients.
        beta_2: decay rate of the mean of their squares.
        epsilon: added to the root of the second moment.
        exclude_from_weight_decay: regular expressions; a weight in whose name one is found
            doesn't decay.
        name: prefix of the operations; by default the name of the class.
    """

    # Names of the slots of the first and the second moment.
    first_moment: str
    second_moment: str

    def __init__(
        self,
        learning_rate: Union[float, tf.Tensor],
        weight_decay_rate: float = 0.0,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        exclude_from_weight_decay: Optional[Sequence[str]] = None,
        name: Optional[str] = None,
    ):
        super().__init__(use_locking=False, name=name or type(self).__name__)
        self.learning_rate = learning_rate
        self.weight_decay_rate = weight_decay_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.exclude_from_weight_decay = exclude_from_weight_decay

    def scale(self, weights: tf.Tensor, update: tf.Tensor) -> Optional[tf.Tensor]:
        """Returns the factor of a weight's update besides the learning rate; None for 1.

        Args:
            weights: float Tensor, the weights before the step.
            update: of the same shape, the moments' quotient with the decay added.
        """
        raise NotImplementedError

    def apply_gradients(
        self,
        grads_and_vars: GradientsAndVariables,
        global_step: Optional[tf.Variable] = None,
        name: Optional[str] = None,
    ) -> tf.Operation:
        """Returns the operation that updates the weights.

        Args:
            grads_and_vars: pairs of a gradient (a Tensor, ``tf.IndexedSlices``, or None where the
                loss doesn't depend on the weight) and its variable.
            global_step: not touched; it stands here for the interface's sake.
            name: name of the operation.

        Raises:
            ValueError: there is no gradient at all.
        """
        return super().apply_gradients(list(grads_and_vars), global_step=None, name=name)

    def _create_slots(self, var_list: List[tf.Variable]) -> None:
        for variable in var_list:
            self._zeros_slot(variable, self.first_moment, self.first_moment)
            self._zeros_slot(variable, self.second_moment, self.second_moment)

    def _apply_dense(self, grad: tf.Tensor, var: tf.Variable) -> tf.Operation:
        """One step of one variable; the gradient has its shape."""
        m = self.get_slot(var, self.first_moment)
        v = self.get_slot(var, self.second_moment)
        next_m = self.beta_1 * m + (1.0 - self.beta_1) * grad
        next_v = self.beta_2 * v + (1.0 - self.beta_2) * tf.square(grad)
        update = next_m / (tf.sqrt(next_v) + self.epsilon)
        weights = tf.convert_to_tensor(var)
        if self._decays(var):
            update += self.weight_decay_rate * weights
        factor = self.scale(weights, update)
        rate = self.learning_rate if factor is None else self.learning_rate * factor
        return tf.group(
            m.assign(next_m, read_value=False),
            v.assign(next_v, read_value=False),
            var.assign(weights - rate * update, read_value=False),
        )

    def _resource_apply_dense(self, grad: tf.Tensor, handle: tf.Variable) -> tf.Operation:
        return self._apply_dense(grad, handle)

    def _apply_sparse_duplicate_indices(
        self, grad: tf.IndexedSlices, var: tf.Variable
    ) -> tf.Operation:
        return self._apply_dense(_densify(grad.values, grad.indices, var), var)

    def _resource_apply_sparse_duplicate_indices(
        self, grad: tf.Tensor, handle: tf.Variable, indices: tf.Tensor
    ) -> tf.Operation:
        return self._apply_dense(_densify(grad, indices, handle), handle)

    def _decays(self, variable: tf.Variable) -> bool:
        if not self.weight_decay_rate:
            return False
        # Copies of a variable on further replicas decay as the first: their names end in
        # /replica_1 and so on.
        name = re.sub(r"(/replica_\d+)?:\d+$", "", variable.name)
        excluded = self.exclude_from_weight_decay or ()
        return not any(re.search(pattern, name) for pattern in excluded)


def _densify(values: tf.Tensor, indices: tf.Tensor, variable: tf.Variable) -> tf.Tensor:
    """Sums rows [K, ...] with their indices [K] into a gradient of the variable's shape."""
    return tf.math.unsorted_segment_sum(values, indices, variable.shape.as_list()[0])


OPTIMIZERS: Registry[Type[TwoMomentOptimizer]] = Registry("optimizer")


@OPTIMIZERS.register("adamw")
class AdamWeightDecayOptimizer(TwoMomentOptimizer):
    """Adam with decoupled weight decay and without bias correction.

    As in google-research/bert's ``optimization.py``, after Kingma and Ba 2014 (arXiv 1412.6980) and
    Loshchilov and Hutter 2017 (arXiv 1711.05101):

        m <- beta_1 * m + (1 - beta_1) * g
        v <- beta_2 * v + (1 - beta_2) * g^2
        w <- w - learning_rate * (m / (sqrt(v) + epsilon) + weight_decay_rate * w)
    """

    first_moment = "adam_m"
    second_moment = "adam_v"

    def __init__(
        self,
        learning_rate: Union[float, tf.Tensor],
        weight_decay_rate: float = 0.0,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        exclude_from_weight_decay: Optional[Sequence[str]] = None,
        name: str = "AdamWeightDecayOptimizer",
    ):
        super().__init__(
            learning_rate,
            weight_decay_rate,
            beta_1,
            beta_2,
            epsilon,
            exclude_from_weight_decay,
            name,
        )

    def scale(self, weights: tf.Tensor, update: tf.Tensor) -> Optional[tf.Tensor]:
        return None


@OPTIMIZERS.register("lamb")
class LAMBOptimizer(TwoMomentOptimizer):
    """LAMB (You et al. 2019, arXiv 1904.00962) in HFL's version, ymcui/LAMB_Optimizer_TF.

    AdamW's update u, scaled for each variable by the trust ratio:

        w <- w - learning_rate * |w| / |u| * u

    The ratio isn't clipped; it is 1 where a norm is 0. Variables without decay have it too.
    """

    first_moment = "lamb_m"
    second_moment = "lamb_v"

    def scale(self, weights: tf.Tensor, update: tf.Tensor) -> Optional[tf.Tensor]:
        weights_norm = tf.norm(weights)
        update_norm = tf.norm(update)
        usable = tf.logical_and(weights_norm > 0.0, update_norm > 0.0)
        return tf.where(usable, tf.math.divide_no_nan(weights_norm, update_norm), 1.0)


class TrainStep(NamedTuple):
    """One step of training.

    Attributes:
        train_op: updates the weights, then adds 1 to the global step.
        learning_rate: float32 scalar, the rate of that step.
    """

    train_op: tf.Operation
    learning_rate: tf.Tensor


def build_train_step(
    loss: tf.Tensor,
    init_lr: float,
    num_train_steps: int,
    num_warmup_steps: Optional[int] = None,
    use_tpu: bool = False,
    optimizer: str = "adamw",
) -> TrainStep:
    """Builds the operation of a training step over all trainable variables.

    The order within a step is fixed: the rate is the schedule at the step's own number, counted
    from 0, the weights change, then the global step goes up by one. So the first step of a warmup
    has rate 0, and runs from the same weights agree.

    Gradients are clipped to a global norm of 1 on each device before the devices' are put
    together. On several TPU cores they are added up, as in google-research/bert; over the replicas
    of a ``tf.distribute`` strategy they are averaged, which for gradients below the clip is the
    step of one device on the whole batch.

    Args:
        loss: float32 scalar.
        init_lr: the peak learning rate.
        num_train_steps: steps until the learning rate is 0.
        num_warmup_steps: steps of the warmup; None or 0 for none.
        use_tpu: whether the step runs under TPUEstimator on TPU cores.
        optimizer: a name in ``OPTIMIZERS``.

    Raises:
        ConfigError: the optimizer's name is unknown, or a number of steps makes no sense.
        ValueError: the loss depends on no trainable variable.
    """
    global_step = tf.train.get_or_create_global_step()
    learning_rate = warmup_and_linear_decay(global_step, init_lr, num_train_steps, num_warmup_steps)
    updater: tf.train.Optimizer = OPTIMIZERS[optimizer](
        learning_rate=learning_rate,
        weight_decay_rate=_WEIGHT_DECAY_RATE,
        exclude_from_weight_decay=_EXCLUDE_FROM_WEIGHT_DECAY,
    )
    if use_tpu:
        updater = tf.tpu.CrossShardOptimizer(updater)

    variables = tf.trainable_variables()
    gradients, _ = tf.clip_by_global_norm(tf.gradients(loss, variables), clip_norm=_CLIP_NORM)
    replicas = tf.distribute.get_strategy().num_replicas_in_sync
    if replicas > 1:
        # Optimizer.apply_gradients adds the replicas' gradients up.
        gradients = [_scaled(gradient, 1.0 / replicas) for gradient in gradients]
    update = updater.apply_gradients(list(zip(gradients, variables)))

    with tf.control_dependencies([update, learning_rate]):
        train_op = tf.assign_add(global_step, 1)
    return TrainStep(tf.group(train_op), learning_rate)


def _scaled(gradient: Any, factor: float) -> Any:
    if gradient is None:
        return None
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(gradient.values * factor, gradient.indices, gradient.dense_shape)
    return gradient * factor


def create_optimizer(
    loss: tf.Tensor,
    init_lr: float,
    num_train_steps: int,
    num_warmup_steps: Optional[int],
    use_tpu: bool,
    optimizer: str = "adamw",
) -> tf.Operation:
    """google-research/bert's way in: the ``train_op`` of ``build_train_step``."""
    step = build_train_step(loss, init_lr, num_train_steps, num_warmup_steps, use_tpu, optimizer)
    return step.train_op
