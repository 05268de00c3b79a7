"""The model function: features in; loss, training step, metrics or predictions out."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.model.bert import BertConfig
from bert_wwm.model.layers import seeded_dropout
from bert_wwm.train.accumulation import accumulate
from bert_wwm.train.buckets import switch_length, truncate
from bert_wwm.train.hooks import ProgressHook, make_host_call
from bert_wwm.train.loss_scale import LossScale
from bert_wwm.train.objective import Encoded, Features, Objective, Predictor, sum_losses
from bert_wwm.train.settings import TrainingSettings
from bert_wwm.train.start import Log, ScaffoldFn, check_own, initialize_weights
from bert_wwm.train.step import TrainStep, all_reduce, update_weights

Spec = Any  # tf.estimator.tpu.TPUEstimatorSpec


def make_model_fn(
    config: BertConfig,
    objective: Objective | Predictor,
    settings: TrainingSettings,
    log: Log,
) -> Callable[..., Spec]:
    """Returns the ``model_fn`` of a training.

    An ``Objective`` is needed to train and evaluate, a ``Predictor`` to predict. ``log`` takes the
    report on the initial weights, and lines of progress; it is None where another machine logs.
    """
    builder = _Builder(config, objective, settings, log)

    def model_fn(features: Features, labels: None, mode: str, params: dict[str, Any]) -> Spec:
        modes = tf.estimator.ModeKeys
        build = {
            modes.TRAIN: builder.train,
            modes.EVAL: builder.evaluate,
            modes.PREDICT: builder.predict,
        }[mode]
        # tf.distribute would rewrite the Python code of all it calls.
        return tf.autograph.experimental.do_not_convert(build)(features, params["model_dir"])

    return model_fn


@dataclasses.dataclass(frozen=True)
class _Builder:
    """Builds the model for each of the Estimator's modes."""

    config: BertConfig
    objective: Objective | Predictor
    settings: TrainingSettings
    log: Log

    def train(self, features: Features, model_dir: str) -> Spec:
        settings = self.settings
        loss_scale = LossScale() if settings.use_float16 else None
        scalars, gradients, variables = self._compute(features, loss_scale)
        scalars = dict(zip(scalars, all_reduce(list(scalars.values()))))
        latest, scaffold_fn = initialize_weights(model_dir, settings, True, self.log)
        step = update_weights(scalars["loss"], gradients, variables, settings, loss_scale)
        if latest:
            check_own(latest, tf.global_variables())
        scalars.update(_list_scalars(step))
        hooks: list[tf.train.SessionRunHook] = []
        host_call = None
        if settings.use_tpu:  # hooks can't see into a TPU's loop
            with tf.control_dependencies([step.train_op]):
                count = tf.identity(tf.train.get_global_step().read_value())
            host_call = make_host_call(
                scalars, count, model_dir, settings.log_every_steps, settings.stop_on_nan
            )
        else:
            hooks.append(ProgressHook(scalars, settings, model_dir, self.log))
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode=tf.estimator.ModeKeys.TRAIN,
            # The Estimator would stop at once where it isn't finite; here a flag decides.
            loss=tf.where(tf.math.is_finite(scalars["loss"]), scalars["loss"], 0.0),
            train_op=step.train_op,
            training_hooks=hooks,
            host_call=host_call,
            scaffold_fn=scaffold_fn,
        )

    def evaluate(self, features: Features, model_dir: str) -> Spec:
        objective = self._learner()
        predictions = objective.predictions(self._encode(features, skip_padding=True))
        scaffold_fn = self._restore(model_dir)
        inputs = {}  # of the metrics; on a TPU they travel to the host: no rows of [V] values
        for name, prediction in predictions.items():
            inputs[f"{name}/losses"] = prediction.losses()
            inputs[f"{name}/hits"] = prediction.hits()
            inputs[f"{name}/weights"] = prediction.weights
        # All count in full, at whatever step: evaluations of a training are compared.
        weights = dict.fromkeys(objective.heads, 1.0)
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode=tf.estimator.ModeKeys.EVAL,
            loss=sum_losses(predictions, objective.totals(features), weights)["loss"],
            eval_metrics=(eval_metrics, inputs),
            scaffold_fn=scaffold_fn,
        )

    def predict(self, features: Features, model_dir: str) -> Spec:
        objective = self.objective
        assert isinstance(objective, Predictor), "there is nothing to predict"
        outputs = self._outputs(objective, features)
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode=tf.estimator.ModeKeys.PREDICT,
            predictions=outputs,
            scaffold_fn=self._restore(model_dir, objective.unused_scopes),
        )

    def _learner(self) -> Objective:
        assert isinstance(self.objective, Objective), "there is nothing to learn"
        return self.objective

    def _restore(self, model_dir: str, unused_scopes: tuple[str, ...] = ()) -> ScaffoldFn:
        """Makes sure that everything trained comes from a checkpoint."""
        latest, scaffold_fn = initialize_weights(
            model_dir, self.settings, False, self.log, unused_scopes
        )
        if latest:
            check_own(latest, tf.trainable_variables())
        return scaffold_fn

    def _encode(
        self, features: Features, training: bool = False, skip_padding: bool = False
    ) -> Encoded:
        settings = self.settings
        return Encoded(
            self.config,
            features,
            training,
            for_tpu=settings.use_tpu,
            compute_dtype=_choose_dtype(settings),
            gradient_checkpointing=training and settings.gradient_checkpointing,
            skip_padding=skip_padding and settings.skip_padding,
            use_one_hot_embeddings=settings.use_one_hot_embeddings,
            num_choices=self.objective.num_choices,
        )

    def _compute(
        self, features: Features, loss_scale: LossScale | None
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor], list[tf.Variable]]:
        """Returns the batch's scalars, the gradients of its loss, and the variables they are of.

        The gradients are multiplied by the factor of ``loss_scale``.
        """
        forward = self._make_forward(features, loss_scale)
        buckets, num_parts = self.settings.tpu_buckets, self.settings.num_accumulation_steps
        if len(buckets) < 2:
            return accumulate(forward, features, num_parts)
        # Makes the variables; the rest, of the shortest and without dropout, stays unused.
        self._learner().predictions(self._encode(truncate(features, buckets[0])))
        variables: list[tf.Variable] = []

        def build(features: Features) -> list[Any]:
            scalars, gradients, variables[:] = accumulate(forward, features, num_parts)
            return [scalars, gradients]

        scalars, gradients = switch_length(build, features, buckets)
        return scalars, gradients, variables

    def _outputs(self, objective: Predictor, features: Features) -> dict[str, tf.Tensor]:
        """Returns the model's outputs; those of tokens have the features' length."""
        buckets = self.settings.tpu_buckets
        if len(buckets) < 2:
            return objective.outputs(self._encode(features))
        objective.outputs(self._encode(truncate(features, buckets[0])))  # makes the variables

        def build(features: Features) -> dict[str, tf.Tensor]:
            missing = buckets[-1] - features["input_ids"].shape.as_list()[1]
            outputs = objective.outputs(self._encode(features))
            for name in objective.token_outputs:
                rest = [[0, 0]] * (outputs[name].shape.ndims - 2)
                outputs[name] = tf.pad(outputs[name], [[0, 0], [0, missing], *rest])
            return outputs

        return switch_length(build, features, buckets)

    def _make_forward(
        self, features: Features, loss_scale: LossScale | None
    ) -> Callable[[Features, tf.Tensor], dict[str, tf.Tensor]]:
        """Returns a function that builds the model over a part of this device's features."""
        objective, settings = self._learner(), self.settings
        global_step = tf.train.get_or_create_global_step()
        device_totals = objective.totals(features)
        names = list(objective.heads)
        totals = dict(zip(names, all_reduce([device_totals[name] for name in names])))
        weights = objective.weights(global_step)
        num_parts = settings.num_accumulation_steps
        num_shares = num_parts * tf.distribute.get_strategy().num_replicas_in_sync
        first_part = tf.cast(global_step, tf.int32) * num_parts

        def forward(part: Features, number: tf.Tensor) -> dict[str, tf.Tensor]:
            # The examples distinguish a device from the others of the same step.
            stream = settings.random_seed % 2**30 + tf.reduce_sum(part["input_ids"])
            seed = tf.stack([stream, first_part + number])
            # Dropout depends on the step, not on what ran before: a training that resumes drops the
            # same. Not on a TPU: seeded bits cost three times the rest of the step there.
            with contextlib.nullcontext() if settings.use_tpu else seeded_dropout(seed):
                batch = self._encode(part, training=True, skip_padding=True)
                scalars = sum_losses(objective.predictions(batch), totals, weights)
            if loss_scale:
                scalars["loss"] = loss_scale.scale_gradient(scalars["loss"])
            mask = tf.cast(part["input_mask"], tf.float32)
            padding = (1.0 - tf.reduce_mean(mask)) / num_shares
            name = "padding_skipped" if settings.skip_padding else "padding"
            return {**scalars, "tokens": tf.reduce_sum(mask), name: padding}

        return forward


def _choose_dtype(settings: TrainingSettings) -> "tf.DType":
    """Returns the dtype of the layers' activations."""
    if settings.use_float16:
        return tf.float16
    return tf.bfloat16 if settings.use_bfloat16 else tf.float32


def _list_scalars(step: TrainStep) -> dict[str, tf.Tensor]:
    """Returns the scalars of an update, by name."""
    scalars = {
        "learning_rate": step.learning_rate,
        "gradient_norm": step.gradient_norm,
        "skipped": tf.cast(~step.finite, tf.float32),
        **step.loss_scaling,
    }
    if step.trust_ratios is not None:
        ordered = tf.sort(step.trust_ratios)
        scalars["trust_ratio_min"] = ordered[0]
        scalars["trust_ratio_median"] = ordered[ordered.shape.as_list()[0] // 2]
        scalars["trust_ratio_max"] = ordered[-1]
    return scalars


def eval_metrics(**inputs: tf.Tensor) -> dict[str, Any]:
    """Each head's loss (nats) and accuracy, as means over the predictions of the whole set.

    google-research/bert's names where it has the head. ``inputs`` are for each head
    ``<head>/losses``, ``<head>/hits`` and ``<head>/weights``, float32 of shape [predictions].
    """
    metrics = {}
    for name in sorted({key.split("/")[0] for key in inputs}):
        weights = inputs[f"{name}/weights"]
        metrics[f"{name}_accuracy"] = tf.metrics.mean(inputs[f"{name}/hits"], weights)
        metrics[f"{name}_loss"] = tf.metrics.mean(inputs[f"{name}/losses"], weights)
    return metrics
