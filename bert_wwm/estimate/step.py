"""The step that a TPU would run, as HLO for its compiler.

The model function is called as TPUEstimator calls it, and tf2xla translates the graph. No weights
are initialised: the variables have shapes, and memory that nobody writes to.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from bert_wwm.compat import tf
from bert_wwm.core.errors import ConfigError
from bert_wwm.core.staging import temporary_folder
from bert_wwm.finetuning.objective import TaskObjective
from bert_wwm.model.bert import BertConfig
from bert_wwm.records.schema import FLOAT, Schema
from bert_wwm.train.model_fn import make_model_fn
from bert_wwm.train.objective import Objective, Predictor
from bert_wwm.train.settings import TrainingSettings

# B batch of a device, S sequence

Specs = dict[str, "tf.TensorSpec"]

TRAIN, EVAL, PREDICT = (
    tf.estimator.ModeKeys.TRAIN,
    tf.estimator.ModeKeys.EVAL,
    tf.estimator.ModeKeys.PREDICT,
)


class Step(NamedTuple):
    """A step of one device."""

    hlo: bytes  # a serialised HloModuleProto
    reduced_bytes: int  # the size of what the step adds up over all devices


def pretraining_features(schema: Schema, batch_size: int) -> Specs:
    """Returns the features of a device in pretraining: [B, length of the field]."""
    return {
        field.name: tf.TensorSpec(
            [batch_size, field.length], tf.float32 if field.dtype == FLOAT else tf.int32
        )
        for field in schema
    }


def task_features(
    objective: TaskObjective, batch_size: int, length: int, with_targets: bool
) -> Specs:
    """Returns those of fine-tuning: int32, [B, S] for tokens and [B] for texts."""
    of_tokens = {"input_ids", "input_mask", "segment_ids", *objective.padding}
    names = [*sorted(of_tokens - set(objective.targets)), *objective.inputs]
    names += objective.targets if with_targets else ()
    return {
        name: tf.TensorSpec([batch_size, length] if name in of_tokens else [batch_size], tf.int32)
        for name in names
    }


def build_step(
    config: BertConfig,
    objective: Objective | Predictor,
    settings: TrainingSettings,
    features: Mapping[str, "tf.TensorSpec"],
    mode: str = TRAIN,
    num_replicas: int = 1,
) -> Step:
    """Builds the step that one device runs, without the host's work: summaries, metrics.

    PREDICT needs a ``Predictor``. The settings may name a checkpoint, which isn't read. Features
    are those of a device, of static shapes; gradients are added up over all replicas.
    """
    settings = dataclasses.replace(
        settings,
        use_tpu=True,
        skip_padding=False,
        init_checkpoint=None,
        init_layers=None,
        allow_random_init=(),
    )
    model_fn = make_model_fn(config, objective, settings, log=None)
    names = list(features)
    reduced: list[tf.Tensor] = []

    with temporary_folder() as folder:
        params = {"model_dir": os.path.join(folder, "none"), "batch_size": 0}

        def step(*values: tf.Tensor) -> list[tf.Tensor]:
            with tf.variable_creator_scope(_unwritten), _summed(num_replicas, reduced):
                spec = model_fn(dict(zip(names, values)), None, mode, params)
            if mode == PREDICT:
                outputs = list(spec.predictions.values())
            else:
                _, to_host = spec.host_call if mode == TRAIN else spec.eval_metrics
                outputs = [spec.loss, *to_host.values()]
            with tf.control_dependencies([spec.train_op] if mode == TRAIN else []):
                return [tf.identity(output) for output in outputs]

        specs = list(features.values())
        wrapped = tf.wrap_function(step, specs)
    compiled = tf.function(lambda *values: wrapped(*values), jit_compile=True)
    try:
        hlo = compiled.experimental_get_compiler_ir(*specs)(stage="hlo_serialized")
    except (ValueError, tf.errors.OpError) as error:
        raise ConfigError(
            f"this step can't be compiled by XLA: {str(error).splitlines()[0]}"
        ) from None
    return Step(hlo, sum(value.shape.num_elements() * value.dtype.size for value in reduced))


def _unwritten(create: Callable[..., tf.Variable], **options: Any) -> tf.Variable:
    """Makes a variable whose memory is reserved but never written, so that none is used."""
    shape, dtype = options["shape"], tf.as_dtype(options["dtype"])
    if shape is None:
        return create(**options)
    shape = tf.TensorShape(shape).as_list()
    return create(
        **{**options, "initial_value": lambda: tf.raw_ops.Empty(shape=shape, dtype=dtype)}
    )


@contextlib.contextmanager
def _summed(num_replicas: int, reduced: list[tf.Tensor]) -> Iterator[None]:
    """Makes ``cross_replica_sum``, which needs a TPU, an all-reduce; collects what it adds up."""

    def cross_replica_sum(value: tf.Tensor, *_: Any, **__: Any) -> tf.Tensor:
        reduced.append(value)
        if num_replicas == 1:
            return value
        # The only operation that tf2xla makes an all-reduce of for any kind of device. XLA gives
        # each a channel of its own, so the keys, by which TensorFlow matches them, don't matter.
        return tf.raw_ops.CollectiveReduceV2(
            input=value,
            group_size=num_replicas,
            group_key=1,
            instance_key=1,
            ordering_token=[],
            merge_op="Add",
            final_op="Id",
        )

    on_tpu = tf.tpu.cross_replica_sum
    tf.tpu.cross_replica_sum = cross_replica_sum
    try:
        yield
    finally:
        tf.tpu.cross_replica_sum = on_tpu
