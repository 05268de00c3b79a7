"""The model function: features in; loss, training step, metrics or predictions out."""

import contextlib
from collections.abc import Callable
from typing import Any

from bert_wwm.compat import tf
from bert_wwm.model.bert import BertConfig
from bert_wwm.model.heads import Prediction
from bert_wwm.model.layers import seeded_dropout
from bert_wwm.train.accumulation import accumulate
from bert_wwm.train.buckets import by_length, cut
from bert_wwm.train.hooks import ProgressHook
from bert_wwm.train.objective import Encoded, Features, Objective, Predictor, sums
from bert_wwm.train.settings import TrainingSettings
from bert_wwm.train.start import Log, ScaffoldFn, check_own, start
from bert_wwm.train.step import TrainStep, all_reduced, update_weights
from bert_wwm.train.tpu_summaries import host_call

Spec = "tf.estimator.tpu.TPUEstimatorSpec"


def make_model_fn(
    config: BertConfig,
    objective: Objective | Predictor,
    settings: TrainingSettings,
    log: Log,
) -> Callable[..., Spec]:
    """Returns the ``model_fn`` of a training.

    Args:
        config: the encoder.
        objective: the heads: an ``Objective`` to train and evaluate, a ``Predictor`` to predict.
        settings: how to train.
        log: takes what the user should see: what was restored, and a line now and then. None
            where another machine says it.
    """

    def model_fn(features: Features, labels: None, mode: str, params: dict[str, Any]) -> Spec:
        # tf.distribute would rewrite the Python code of all it calls.
        modes = tf.estimator.ModeKeys
        build = {modes.TRAIN: train, modes.EVAL: evaluate, modes.PREDICT: predict}[mode]
        return tf.autograph.experimental.do_not_convert(build)(features, params["model_dir"])

    def train(features: Features, model_dir: str) -> Spec:
        assert isinstance(objective, Objective)
        scalars, gradients, variables = _scalars_and_gradients(
            config, objective, settings, features
        )
        scalars = dict(zip(scalars, all_reduced(list(scalars.values()))))
        latest, scaffold_fn = start(model_dir, settings, True, log)
        step = update_weights(
            scalars["loss"],
            gradients,
            variables,
            settings.learning_rate,
            settings.num_train_steps,
            settings.num_warmup_steps,
            settings.use_tpu,
            settings.optimizer,
            settings.layer_decay,
        )
        if latest:
            check_own(latest, tf.global_variables())
        scalars.update(_of_step(step))
        hooks: list[tf.train.SessionRunHook] = []
        outside = None
        if settings.use_tpu:  # hooks can't see into a TPU's loop
            with tf.control_dependencies([step.train_op]):
                count = tf.identity(tf.train.get_global_step().read_value())
            outside = host_call(
                scalars, count, model_dir, settings.log_every_steps, settings.stop_on_nan
            )
        else:
            hooks.append(
                ProgressHook(
                    scalars,
                    settings.train_batch_size,
                    settings.num_train_steps,
                    settings.log_every_steps,
                    model_dir,
                    settings.stop_on_nan,
                    log,
                )
            )
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode=tf.estimator.ModeKeys.TRAIN,
            # The Estimator would stop at once where it isn't finite; here a flag says what to do.
            loss=tf.where(tf.math.is_finite(scalars["loss"]), scalars["loss"], 0.0),
            train_op=step.train_op,
            training_hooks=hooks,
            host_call=outside,
            scaffold_fn=scaffold_fn,
        )

    def evaluate(features: Features, model_dir: str) -> Spec:
        assert isinstance(objective, Objective)
        predictions = objective.predictions(
            _encoded(config, objective, settings, features, training=False)
        )
        scaffold_fn = restored(model_dir)
        # All count in full, at whatever step: evaluations of a training are compared.
        weights = dict.fromkeys(objective.heads, 1.0)
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode=tf.estimator.ModeKeys.EVAL,
            loss=sums(predictions, objective.totals(features), weights)["loss"],
            eval_metrics=(eval_metrics, _metric_inputs(predictions)),
            scaffold_fn=scaffold_fn,
        )

    def predict(features: Features, model_dir: str) -> Spec:
        assert isinstance(objective, Predictor)
        outputs = _outputs(config, objective, settings, features)
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode=tf.estimator.ModeKeys.PREDICT,
            predictions=outputs,
            scaffold_fn=restored(model_dir, objective.unused_scopes),
        )

    def restored(model_dir: str, unused_scopes: tuple[str, ...] = ()) -> ScaffoldFn:
        """Sees to it that all that is trained comes from a checkpoint."""
        latest, scaffold_fn = start(model_dir, settings, False, log, unused_scopes)
        if latest:
            check_own(latest, tf.trainable_variables())
        return scaffold_fn

    return model_fn


def _encoded(
    config: BertConfig,
    objective: Objective | Predictor,
    settings: TrainingSettings,
    features: Features,
    training: bool,
) -> Encoded:
    return Encoded(
        config,
        features,
        training,
        for_tpu=settings.use_tpu,
        compute_dtype=tf.bfloat16 if settings.use_bfloat16 else tf.float32,
        gradient_checkpointing=training and settings.gradient_checkpointing,
        skip_padding=training and settings.skip_padding,
        use_one_hot_embeddings=settings.use_one_hot_embeddings,
        num_choices=objective.num_choices,
    )


def _scalars_and_gradients(
    config: BertConfig, objective: Objective, settings: TrainingSettings, features: Features
) -> tuple[dict[str, tf.Tensor], list[tf.Tensor], list[tf.Variable]]:
    """Returns the batch's scalars, the gradients of its loss, and the variables they are of."""
    parts = settings.num_accumulation_steps
    forward = _forward(config, objective, settings, features)
    if len(settings.tpu_buckets) < 2:
        return accumulate(forward, features, parts)
    # Branches make no variables: those of the shortest, without dropout, stay unused.
    objective.predictions(
        _encoded(
            config, objective, settings, cut(features, settings.tpu_buckets[0]), training=False
        )
    )
    names: list[str] = []
    variables: list[tf.Variable] = []

    def build(of_length: Features) -> list[tf.Tensor]:
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            scalars, gradients, found = accumulate(forward, of_length, parts)
        names[:], variables[:] = scalars, found
        return [*scalars.values(), *gradients]

    values = by_length(build, features, settings.tpu_buckets)
    return dict(zip(names, values)), values[len(names) :], variables


def _outputs(
    config: BertConfig, objective: Predictor, settings: TrainingSettings, features: Features
) -> dict[str, tf.Tensor]:
    """Returns the model's outputs; those of tokens have the features' length."""
    if len(settings.tpu_buckets) < 2:
        return objective.outputs(_encoded(config, objective, settings, features, training=False))
    length = settings.tpu_buckets[-1]
    shortest = cut(features, settings.tpu_buckets[0])
    names = list(objective.outputs(_encoded(config, objective, settings, shortest, training=False)))

    def build(of_length: Features) -> list[tf.Tensor]:
        missing = length - of_length["input_ids"].shape.as_list()[1]
        with tf.variable_scope(tf.get_variable_scope(), reuse=True):
            outputs = objective.outputs(
                _encoded(config, objective, settings, of_length, training=False)
            )
        return [
            tf.pad(value, [[0, 0], [0, missing], *[[0, 0]] * (value.shape.ndims - 2)])
            if name in objective.token_outputs
            else value
            for name, value in outputs.items()
        ]

    return dict(zip(names, by_length(build, features, settings.tpu_buckets)))


def _forward(
    config: BertConfig, objective: Objective, settings: TrainingSettings, features: Features
) -> Callable[[Features, tf.Tensor], dict[str, tf.Tensor]]:
    """Returns what builds the model over a part of this device's features."""
    global_step = tf.train.get_or_create_global_step()
    names = list(objective.heads)
    of_device = objective.totals(features)
    totals = dict(zip(names, all_reduced([of_device[name] for name in names])))
    weights = objective.weights(global_step)
    parts = settings.num_accumulation_steps
    shares = parts * tf.distribute.get_strategy().num_replicas_in_sync
    first_part = tf.cast(global_step, tf.int32) * parts

    def forward(part: Features, number: tf.Tensor) -> dict[str, tf.Tensor]:
        # The examples tell a device from the others of the same step.
        stream = settings.random_seed % 2**30 + tf.reduce_sum(part["input_ids"])
        seed = tf.stack([stream, first_part + number])
        # Dropout hangs on the step, not on what ran before: a training that goes on drops the
        # same. Not on a TPU: seeded bits cost three times the rest of the step there.
        with contextlib.nullcontext() if settings.use_tpu else seeded_dropout(seed):
            batch = _encoded(config, objective, settings, part, training=True)
            scalars = sums(objective.predictions(batch), totals, weights)
        mask = tf.cast(part["input_mask"], tf.float32)
        padding = (1.0 - tf.reduce_mean(mask)) / shares
        name = "padding_skipped" if settings.skip_padding else "padding"
        return {**scalars, "tokens": tf.reduce_sum(mask), name: padding}

    return forward


def _of_step(step: TrainStep) -> dict[str, tf.Tensor]:
    """The scalars of an update, by name."""
    scalars = {
        "learning_rate": step.learning_rate,
        "gradient_norm": step.gradient_norm,
        "skipped": tf.cast(~step.finite, tf.float32),
    }
    if step.trust_ratios is not None:
        ordered = tf.sort(step.trust_ratios)
        scalars["trust_ratio_min"] = ordered[0]
        scalars["trust_ratio_median"] = ordered[ordered.shape.as_list()[0] // 2]
        scalars["trust_ratio_max"] = ordered[-1]
    return scalars


def _metric_inputs(predictions: dict[str, Prediction]) -> dict[str, tf.Tensor]:
    """What the metrics need; on TPU it travels to the host, so no rows of [V] values go."""
    inputs = {}
    for name, prediction in predictions.items():
        inputs[f"{name}/losses"] = prediction.losses()
        inputs[f"{name}/hits"] = prediction.hits()
        inputs[f"{name}/weights"] = prediction.weights
    return inputs


def eval_metrics(**inputs: tf.Tensor) -> dict[str, Any]:
    """Each head's loss (nats) and accuracy, as means over the predictions of the whole set.

    google-research/bert's names where it has the head.

    Args:
        inputs: for each head ``<head>/losses``, ``<head>/hits`` and ``<head>/weights``, float32
            Tensors of shape [predictions].
    """
    metrics = {}
    for name in sorted({key.split("/")[0] for key in inputs}):
        weights = inputs[f"{name}/weights"]
        metrics[f"{name}_accuracy"] = tf.metrics.mean(inputs[f"{name}/hits"], weights)
        metrics[f"{name}_loss"] = tf.metrics.mean(inputs[f"{name}/losses"], weights)
    return metrics
