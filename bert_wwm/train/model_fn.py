"""The model function of pretraining: features in, loss, training step and metrics out."""

import dataclasses
from typing import Any, Callable, Dict, List, Optional

from bert_wwm.compat import tf
from bert_wwm.core.errors import CheckpointError
from bert_wwm.model.bert import BertConfig, BertModel
from bert_wwm.model.checkpoint import plan_restore
from bert_wwm.model.heads import HeadOutput, masked_lm_output, next_sentence_output
from bert_wwm.train.hooks import ProgressHook
from bert_wwm.train.optimizers import build_train_step


@dataclasses.dataclass(frozen=True)
class PretrainingSettings:
    """How to train; google-research/bert's flags of the same names.

    Attributes:
        learning_rate: the peak.
        num_train_steps: steps of the whole training.
        num_warmup_steps: of these, steps of the warmup.
        optimizer: a name in ``OPTIMIZERS``.
        use_tpu: whether the steps run on TPU cores.
        init_checkpoint: where the weights start from; None for random ones.
        log_every_steps: steps between two lines of progress.
    """

    learning_rate: float
    num_train_steps: int
    num_warmup_steps: int
    optimizer: str = "adamw"
    use_tpu: bool = False
    init_checkpoint: Optional[str] = None
    log_every_steps: int = 100


def pretraining_model_fn(
    config: BertConfig,
    settings: PretrainingSettings,
    log: Callable[[str], None],
) -> Callable[..., "tf.estimator.tpu.TPUEstimatorSpec"]:
    """Returns the ``model_fn`` of masked LM and, where records label pairs, their prediction.

    Args:
        config: the encoder.
        settings: how to train.
        log: takes what the user should see: what was restored, and a line now and then.
    """

    def model_fn(
        features: Dict[str, tf.Tensor], labels: None, mode: str, params: Dict[str, Any]
    ) -> "tf.estimator.tpu.TPUEstimatorSpec":
        training = mode == tf.estimator.ModeKeys.TRAIN
        model = BertModel(
            config=config,
            is_training=training,
            input_ids=features["input_ids"],
            input_mask=features["input_mask"],
            token_type_ids=features["segment_ids"],
            use_one_hot_embeddings=settings.use_tpu,
        )
        mlm = masked_lm_output(
            config,
            model.get_sequence_output(),
            model.get_embedding_table(),
            features["masked_lm_positions"],
            features["masked_lm_ids"],
            features["masked_lm_weights"],
        )
        loss = mlm.loss
        nsp = None
        if "next_sentence_labels" in features:
            nsp = next_sentence_output(
                config, model.get_pooled_output(), features["next_sentence_labels"]
            )
            loss += nsp.loss
        # The Estimator restores what this training has left in its folder; without such a
        # checkpoint the weights start from another, or at random.
        latest = tf.train.latest_checkpoint(params["model_dir"])
        scaffold_fn = None
        if settings.init_checkpoint and not latest:
            scaffold_fn = _initialise(settings, may_stay_random=training, log=log)
        if not training:
            if latest:
                _check_own(latest, tf.trainable_variables())
            metrics = (eval_metrics, _metric_inputs(mlm, nsp, features))
            return tf.estimator.tpu.TPUEstimatorSpec(
                mode=mode, loss=loss, eval_metrics=metrics, scaffold_fn=scaffold_fn
            )
        step = build_train_step(
            loss,
            settings.learning_rate,
            settings.num_train_steps,
            settings.num_warmup_steps,
            settings.use_tpu,
            settings.optimizer,
        )
        if latest:
            _check_own(latest, tf.global_variables())
        hooks: List[tf.train.SessionRunHook] = []
        if not settings.use_tpu:  # hooks can't see into a TPU's loop
            scalars = {
                "loss": loss,
                "masked_lm_loss": mlm.loss,
                "masked_lm_accuracy": _masked_lm_accuracy(mlm, features),
                "learning_rate": step.learning_rate,
            }
            if nsp:
                scalars["next_sentence_loss"] = nsp.loss
            hooks.append(
                ProgressHook(
                    scalars,
                    params["batch_size"],
                    settings.num_train_steps,
                    settings.log_every_steps,
                    params["model_dir"],
                    log,
                )
            )
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode=mode,
            loss=loss,
            train_op=step.train_op,
            training_hooks=hooks,
            scaffold_fn=scaffold_fn,
        )

    return model_fn


def _initialise(
    settings: PretrainingSettings, may_stay_random: bool, log: Callable[[str], None]
) -> Optional[Callable[[], "tf.train.Scaffold"]]:
    """Lets the variables start from ``init_checkpoint``; on TPU by the function it returns."""
    plan = plan_restore(tf.trainable_variables(), settings.init_checkpoint)
    log(plan.report())
    if plan.initialized and not may_stay_random:
        raise CheckpointError(
            f"{settings.init_checkpoint}: lacks {', '.join(plan.initialized)}; there is nothing to "
            "evaluate before these are trained"
        )
    if not settings.use_tpu:
        plan.apply()
        return None

    def scaffold_fn() -> "tf.train.Scaffold":
        plan.apply()
        return tf.train.Scaffold()

    return scaffold_fn


def _check_own(checkpoint: str, variables: List[tf.Variable]) -> None:
    """Says by name which variables a checkpoint of --output_dir lacks or has in another shape."""
    missing = plan_restore(variables, checkpoint, encoder_scope="").initialized
    if missing:
        raise CheckpointError(
            f"{checkpoint}: lacks {len(missing)} variables of this run, the first {missing[0]}; go "
            "on with the same model and optimizer, or start in another --output_dir"
        )


def _masked_lm_accuracy(mlm: HeadOutput, features: Dict[str, tf.Tensor]) -> tf.Tensor:
    """Share of the predictions of a batch that are right; float32 scalar."""
    predictions = tf.argmax(mlm.log_probs, axis=-1, output_type=tf.int32)
    right = tf.equal(predictions, tf.reshape(features["masked_lm_ids"], [-1]))
    weights = tf.reshape(features["masked_lm_weights"], [-1])
    num_right = tf.reduce_sum(tf.cast(right, tf.float32) * weights)
    return tf.math.divide_no_nan(num_right, tf.reduce_sum(weights))


def _metric_inputs(
    mlm: HeadOutput, nsp: Optional[HeadOutput], features: Dict[str, tf.Tensor]
) -> Dict[str, tf.Tensor]:
    """What the metrics need; on TPU it travels to the host, so the predictions go, not [V] rows."""
    inputs = {
        "masked_lm_example_loss": mlm.per_example_loss,
        "masked_lm_predictions": tf.argmax(mlm.log_probs, axis=-1, output_type=tf.int32),
        "masked_lm_ids": tf.reshape(features["masked_lm_ids"], [-1]),
        "masked_lm_weights": tf.reshape(features["masked_lm_weights"], [-1]),
    }
    if nsp:
        inputs["next_sentence_example_loss"] = nsp.per_example_loss
        inputs["next_sentence_predictions"] = tf.argmax(
            nsp.log_probs, axis=-1, output_type=tf.int32
        )
        inputs["next_sentence_labels"] = tf.reshape(features["next_sentence_labels"], [-1])
    return inputs


def eval_metrics(
    masked_lm_example_loss: tf.Tensor,
    masked_lm_predictions: tf.Tensor,
    masked_lm_ids: tf.Tensor,
    masked_lm_weights: tf.Tensor,
    next_sentence_example_loss: Optional[tf.Tensor] = None,
    next_sentence_predictions: Optional[tf.Tensor] = None,
    next_sentence_labels: Optional[tf.Tensor] = None,
) -> Dict[str, Any]:
    """google-research/bert's metrics, as means over the predictions of the whole set.

    All arguments are of shape [predictions] (B * P or B); losses are in nats.
    """
    metrics = {
        "masked_lm_accuracy": tf.metrics.accuracy(
            labels=masked_lm_ids, predictions=masked_lm_predictions, weights=masked_lm_weights
        ),
        "masked_lm_loss": tf.metrics.mean(masked_lm_example_loss, weights=masked_lm_weights),
    }
    if next_sentence_labels is not None:
        metrics["next_sentence_accuracy"] = tf.metrics.accuracy(
            labels=next_sentence_labels, predictions=next_sentence_predictions
        )
        metrics["next_sentence_loss"] = tf.metrics.mean(next_sentence_example_loss)
    return metrics
