"""AdamW and LAMB as BERT and HFL's models were trained with."""

import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.core.registry import Registry

GradientsAndVariables = Iterable[tuple[Any, tf.Variable]]
Scalar = Any  # a float, or a float32 scalar Tensor


OPTIMIZERS: Registry[type["AdamWeightDecayOptimizer"]] = Registry("optimizer")


@OPTIMIZERS.register("adamw")
class AdamWeightDecayOptimizer(tf.train.Optimizer):
    """Adam with decoupled weight decay and without bias correction.

    As in google-research/bert's ``optimization.py``, after Kingma and Ba 2014 (arXiv 1412.6980) and
    Loshchilov and Hutter 2017 (arXiv 1711.05101):

        m <- beta_1 * m + (1 - beta_1) * g
        v <- beta_2 * v + (1 - beta_2) * g^2
        w <- w - learning_rate * (m / (sqrt(v) + epsilon) + weight_decay_rate * w)

    The moments are slots of the v1 optimizer interface, variables ``<weight>/<slot>`` of the
    weight's shape that start at 0, so that strategies of ``tf.distribute`` and
    ``CrossShardOptimizer`` place them. Gradients of gathers (``tf.IndexedSlices``) are summed into
    dense ones, since all moments and weights decay at every step.

    ``apply_gradients`` leaves the global step alone, as google-research/bert's does: code written
    for it counts by itself.

    Args:
        learning_rate: a float, or a float32 scalar Tensor; so are the two decay rates.
        weight_decay_rate: fraction of a weight that a learning rate of 1 would take off at a step.
        exclude_from_weight_decay: regular expressions; a weight in whose name one is found
            doesn't decay.
        rate_scale: given a weight's name, returns the factor of its learning rate; None for 1.
    """

    # Names of the slots of the first and the second moment.
    first_moment = "adam_m"
    second_moment = "adam_v"

    def __init__(
        self,
        learning_rate: Scalar,
        weight_decay_rate: float = 0.0,
        beta_1: Scalar = 0.9,
        beta_2: Scalar = 0.999,
        epsilon: float = 1e-6,
        exclude_from_weight_decay: Sequence[str] | None = None,
        name: str = "AdamWeightDecayOptimizer",
        rate_scale: Callable[[str], float] | None = None,
    ):
        super().__init__(use_locking=False, name=name)
        self.learning_rate = learning_rate
        self.weight_decay_rate = weight_decay_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.exclude_from_weight_decay = exclude_from_weight_decay
        self.rate_scale = rate_scale
        self._trust_ratios: list[tf.Tensor] = []

    def trust_ratios(self) -> tf.Tensor | None:
        """The factors of the last step's updates, float32 of shape [variables]; None for 1."""
        return tf.stack(self._trust_ratios) if self._trust_ratios else None

    def apply_gradients(
        self,
        grads_and_vars: GradientsAndVariables,
        global_step: tf.Variable | None = None,
        name: str | None = None,
    ) -> tf.Operation:
        """Returns the operation that updates the weights; ``global_step`` is not touched.

        A gradient is a Tensor, ``tf.IndexedSlices``, or None where the loss doesn't depend on the
        weight. Raises ValueError if there is none at all.
        """
        return super().apply_gradients(list(grads_and_vars), global_step=None, name=name)

    def apply_reduced_gradients(self, grads_and_vars: GradientsAndVariables) -> tf.Operation:
        """The same with gradients that all replicas agree on already.

        Under a strategy of ``tf.distribute``, ``apply_gradients`` adds up those of the replicas.
        """
        pairs = list(grads_and_vars)
        if not tf.distribute.has_strategy():
            return self.apply_gradients(pairs)
        return tf.distribute.get_replica_context().merge_call(self._apply_on_all, args=(pairs,))

    def _apply_on_all(
        self, strategy: "tf.distribute.Strategy", grads_and_vars: GradientsAndVariables
    ) -> tf.Operation:
        pairs = list(grads_and_vars)
        with tf.init_scope():
            self._create_slots([variable for _, variable in pairs])
        return tf.group(
            *(
                strategy.extended.update(
                    variable, lambda var, grad: self._apply_dense(grad, var), args=(gradient,)
                )
                for gradient, variable in pairs
            )
        )

    def _create_slots(self, var_list: list[tf.Variable]) -> None:
        for variable in var_list:
            name = self._get_variable_name(variable.name)
            is_own_name = name == variable.name.partition(":")[0]
            for slot in (self.first_moment, self.second_moment):
                with contextlib.nullcontext() if is_own_name else _rename(f"{name}/{slot}"):
                    self._zeros_slot(variable, slot, slot)

    def _apply_dense(self, grad: tf.Tensor, var: tf.Variable) -> tf.Operation:
        """One step of one variable; the gradient has its shape."""
        # TensorFlow's kernel of Adam does it, the bias correction switched off and the decay taken
        # off before: a weight's step is bound by how often memory is read and written.
        rate = self._rate(var)
        before = [grad]  # who needs the weights for the gradient has read them by then
        if self._decays(var):
            with tf.control_dependencies(before):
                weights = tf.convert_to_tensor(var)
                decay = rate * self.weight_decay_rate * weights
                # assign_sub would copy weights that a product has read.
                before.append(var.assign(weights - decay, read_value=False))
        m, v = self.get_slot(var, self.first_moment), self.get_slot(var, self.second_moment)
        if hasattr(var, "handle"):
            kernel = tf.raw_ops.ResourceApplyAdam
            state = {"var": var.handle, "m": m.handle, "v": v.handle}
        else:
            kernel, state = tf.raw_ops.ApplyAdam, {"var": var, "m": m, "v": v}
        with tf.control_dependencies(before):
            step = kernel(
                **state,
                beta1_power=0.0,
                beta2_power=0.0,
                lr=rate,
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon,
                grad=grad,
            )
        return tf.group(step)

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

    def _get_variable_name(self, param_name: str) -> str:
        """Returns a weight's name without its output's number, nor that of a further replica."""
        return re.sub(r"(/replica_\d+)?:\d+$", "", param_name)

    def _do_use_weight_decay(self, param_name: str) -> bool:
        if not self.weight_decay_rate:
            return False
        excluded = self.exclude_from_weight_decay or ()
        return not any(re.search(pattern, param_name) for pattern in excluded)

    def _decays(self, variable: tf.Variable) -> bool:
        return self._do_use_weight_decay(self._get_variable_name(variable.name))

    def _rate(self, variable: tf.Variable) -> Any:
        if not self.rate_scale:
            return self.learning_rate
        scale = self.rate_scale(self._get_variable_name(variable.name))
        return self.learning_rate if scale == 1.0 else self.learning_rate * scale


def _rename(name: str) -> contextlib.AbstractContextManager[Any]:
    """A scope that gives the variable made in it another name."""
    scope = tf.get_variable_scope()
    full_name = f"{scope.name}/{name}" if scope.name else name

    def rename(getter: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
        return getter(full_name, *args, **kwargs)

    return tf.variable_scope(scope, custom_getter=rename, auxiliary_name_scope=False)


def _densify(values: tf.Tensor, indices: tf.Tensor, variable: tf.Variable) -> tf.Tensor:
    """Sums rows [K, ...] with their indices [K] into a gradient of the variable's shape."""
    return tf.math.unsorted_segment_sum(values, indices, variable.shape.as_list()[0])


@OPTIMIZERS.register("lamb")
class LAMBOptimizer(AdamWeightDecayOptimizer):
    """LAMB (You et al. 2019, arXiv 1904.00962) in HFL's version, ymcui/LAMB_Optimizer_TF.

    AdamW's update u, scaled for each variable by the trust ratio:

        w <- w - learning_rate * |w| / |u| * u

    The ratio isn't clipped; it is 1 where a norm is 0. Variables without decay have it too.
    """

    first_moment = "lamb_m"
    second_moment = "lamb_v"

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **{"name": "LAMBOptimizer", **kwargs})

    def _apply_dense(self, grad: tf.Tensor, var: tf.Variable) -> tf.Operation:
        m, v = self.get_slot(var, self.first_moment), self.get_slot(var, self.second_moment)
        next_m = self.beta_1 * m + (1.0 - self.beta_1) * grad
        next_v = self.beta_2 * v + (1.0 - self.beta_2) * tf.square(grad)
        update = next_m / (tf.sqrt(next_v) + self.epsilon)
        weights = tf.convert_to_tensor(var)
        if self._decays(var):
            update += self.weight_decay_rate * weights
        rate = self._rate(var) * self._trust_ratio(weights, update)
        return tf.group(
            m.assign(next_m, read_value=False),
            v.assign(next_v, read_value=False),
            var.assign(weights - rate * update, read_value=False),
        )

    def _trust_ratio(self, weights: tf.Tensor, update: tf.Tensor) -> tf.Tensor:
        weights_norm = tf.norm(weights)
        update_norm = tf.norm(update)
        usable = tf.logical_and(weights_norm > 0.0, update_norm > 0.0)
        ratio = tf.where(usable, tf.math.divide_no_nan(weights_norm, update_norm), 1.0)
        self._trust_ratios.append(ratio)
        return ratio
