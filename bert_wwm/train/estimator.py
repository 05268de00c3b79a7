"""The Estimators that run a model function on a CPU, on GPUs, on several machines, or on a TPU."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from typing import Any

from bert_wwm.compat import RUNS_ON_TPUS, tf
from bert_wwm.core.errors import CheckpointError, ConfigError, first_reason
from bert_wwm.core.registry import Registry
from bert_wwm.data.packing import count_rows
from bert_wwm.train.cluster import read_cluster

InputFn = Callable[..., Any]

# All GPUs of this machine; the machines that the environment variable TF_CONFIG lists.
DISTRIBUTION_STRATEGIES: Registry[Callable[[], Any]] = Registry("distribution strategy")
DISTRIBUTION_STRATEGIES.add("mirrored", tf.distribute.MirroredStrategy)
DISTRIBUTION_STRATEGIES.add("multi_worker", tf.distribute.experimental.MultiWorkerMirroredStrategy)

_INITIALIZER = "checkpoint_initializer"  # the operations of tf.train.init_from_checkpoint


@dataclasses.dataclass(frozen=True)
class Machine:
    """Where and how a model function runs; the flags of the same names say more."""

    output_dir: str
    train_batch_size: int  # examples of a training step, over all devices
    eval_batch_size: int  # evaluated or predicted at a time, over all cores of a TPU
    save_checkpoints_steps: int
    keep_checkpoint_max: int
    random_seed: int  # of the initial weights
    num_accumulation_steps: int = 1  # micro-batches of a step on each device
    log_every_steps: int = 100  # of the Estimator on a TPU; elsewhere ProgressHook reports
    distribution_strategy: str | None = None  # in DISTRIBUTION_STRATEGIES; None: one device
    use_xla: bool = False
    use_tpu: bool = False
    iterations_per_loop: int = 1000  # steps that a TPU takes before it comes back to the host
    tpu_name: str | None = None
    tpu_zone: str | None = None
    gcp_project: str | None = None
    master: str | None = None
    num_tpu_cores: int = 8
    # On average, where examples are packed; a step has that many times fewer sequences.
    instances_per_row: float = 1.0

    def is_chief(self) -> bool:
        """Whether this process writes the checkpoints, and evaluates."""
        cluster = read_cluster() if self.distribution_strategy == "multi_worker" else None
        return cluster is None or cluster.is_chief


class Estimators:
    """Trains and evaluates a model function on a machine.

    ``num_replicas`` devices share the examples of a step.
    """

    def __init__(self, model_fn: Callable[..., Any], machine: Machine):
        if machine.use_tpu and not RUNS_ON_TPUS:
            raise ConfigError(
                f"--use_tpu: TensorFlow {tf.__version__} has no Estimator for TPUs; expected "
                "TensorFlow 2.15, as on a TPU VM with an image tpu-vm-tf-2.15.*-se (see "
                "requirements-tpu.txt)"
            )
        self.machine = machine
        name = machine.distribution_strategy
        self._strategy = DISTRIBUTION_STRATEGIES[name]() if name else None
        self.num_replicas = machine.num_tpu_cores if machine.use_tpu else 1
        if self._strategy:
            self.num_replicas = self._strategy.num_replicas_in_sync
        self.train_rows = self._count_rows()
        self._spread = None
        if name == "multi_worker":
            self._spread = self._distributed_estimator(model_fn)
        # Nothing else takes part in a cluster: evaluation runs on one device, or the TPU.
        cluster = os.environ.pop("TF_CONFIG", None)
        self._single = self._tpu_estimator(model_fn)
        if name == "mirrored":
            self._spread = self._distributed_estimator(model_fn)
        if cluster is not None:
            os.environ["TF_CONFIG"] = cluster

    def _count_rows(self) -> int:
        """Returns the sequences of a training step; packed ones are shared out evenly."""
        machine = self.machine
        if machine.instances_per_row == 1.0:
            return machine.train_batch_size
        parts = self.num_replicas * machine.num_accumulation_steps
        return count_rows(machine.train_batch_size, machine.instances_per_row, parts)

    def check_batch_size(self) -> None:
        """Raises ConfigError where the devices can't share the examples of a step evenly."""
        machine = self.machine
        parts = self.num_replicas * machine.num_accumulation_steps
        if self.train_rows % parts:
            raise ConfigError(
                f"--train_batch_size={machine.train_batch_size} can't be divided evenly by "
                f"{self.num_replicas} device(s) x {machine.num_accumulation_steps} accumulation "
                f"step(s); expected a multiple of {parts}"
            )

    def train(self, input_fn: InputFn, to_step: int, hooks: list[tf.train.SessionRunHook]) -> None:
        """Trains until the global step is ``to_step``, from the last checkpoint on."""
        with _naming_initial_weights():
            if self.machine.distribution_strategy == "multi_worker":
                # Only this way the Estimator starts the servers of a cluster.
                tf.estimator.train_and_evaluate(
                    self._spread,
                    tf.estimator.TrainSpec(input_fn, max_steps=to_step, hooks=hooks),
                    tf.estimator.EvalSpec(input_fn, steps=1),
                )
            else:
                (self._spread or self._single).train(input_fn, max_steps=to_step, hooks=hooks)

    def evaluate(
        self, input_fn: InputFn, steps: int, checkpoint: str | None = None
    ) -> dict[str, Any]:
        """Returns the metrics over at most ``steps`` batches; the checkpoint as for ``predict``."""
        with _naming_initial_weights():
            return self._single.evaluate(input_fn, steps=steps, checkpoint_path=checkpoint)

    def predict(self, input_fn: InputFn, checkpoint: str | None) -> Iterator[dict[str, Any]]:
        """Yields the model's outputs, arrays of a batch by name.

        ``checkpoint`` is the prefix of the weights; without it they are the newest of the folder,
        or else those that the model function starts from.
        """
        with _naming_initial_weights():
            yield from self._single.predict(
                input_fn, checkpoint_path=checkpoint, yield_single_examples=False
            )

    def _tpu_estimator(self, model_fn: Callable[..., Any]) -> "tf.estimator.tpu.TPUEstimator":
        machine = self.machine
        tpu = tf.estimator.tpu
        cluster = None
        if machine.use_tpu and machine.tpu_name:
            cluster = tf.distribute.cluster_resolver.TPUClusterResolver(
                machine.tpu_name, zone=machine.tpu_zone, project=machine.gcp_project
            )
        return tpu.TPUEstimator(
            use_tpu=machine.use_tpu,
            model_fn=model_fn,
            config=tpu.RunConfig(
                **self._run_config(),
                cluster=cluster,
                master=machine.master,
                log_step_count_steps=machine.log_every_steps if machine.use_tpu else None,
                tpu_config=tpu.TPUConfig(
                    iterations_per_loop=machine.iterations_per_loop,
                    num_shards=machine.num_tpu_cores,
                    per_host_input_for_training=tpu.InputPipelineConfig.PER_HOST_V2,
                ),
            ),
            train_batch_size=self.train_rows,
            eval_batch_size=machine.eval_batch_size,
            predict_batch_size=machine.eval_batch_size,
            params={"model_dir": machine.output_dir},
        )

    def _distributed_estimator(self, model_fn: Callable[..., Any]) -> "tf.estimator.Estimator":
        machine = self.machine

        def plain_model_fn(features: Any, labels: Any, mode: str, params: dict[str, Any]) -> Any:
            return model_fn(features, labels, mode, params).as_estimator_spec()

        config = self._run_config()
        if machine.distribution_strategy == "multi_worker":
            # Without any summaries TensorFlow 2.15 saves no checkpoints there.
            config["save_summary_steps"] = machine.save_checkpoints_steps
        return tf.estimator.Estimator(
            plain_model_fn,
            config=tf.estimator.RunConfig(
                train_distribute=self._strategy,
                log_step_count_steps=None,
                **config,
            ),
            params={
                "model_dir": machine.output_dir,
                "batch_size": self.train_rows // self.num_replicas,
            },
        )

    def _run_config(self) -> dict[str, Any]:
        machine = self.machine
        return {
            "model_dir": machine.output_dir,
            "tf_random_seed": machine.random_seed,
            "save_checkpoints_steps": machine.save_checkpoints_steps,
            "keep_checkpoint_max": machine.keep_checkpoint_max,
            "save_summary_steps": 0,  # ProgressHook writes what TensorBoard shows
            "session_config": xla_config() if machine.use_xla else None,
        }


@contextlib.contextmanager
def _naming_initial_weights() -> Iterator[None]:
    """Raises CheckpointError where a session can't restore what the model starts from.

    That was whole when the graph was built: another process has removed or changed it since.
    """
    try:
        yield
    except (tf.errors.NotFoundError, tf.errors.DataLossError, tf.errors.OutOfRangeError) as error:
        if _INITIALIZER not in error.message:
            raise
        raise CheckpointError(
            f"--init_checkpoint: removed or changed while it was read "
            f"({first_reason(error.message)}); expected a checkpoint that stays as it is. Run the "
            "same command again to start from the one that is there now"
        ) from None


def xla_config() -> "tf.ConfigProto":
    """Returns the configuration of a session that compiles by XLA what can be compiled."""
    config = tf.ConfigProto(allow_soft_placement=True)
    config.graph_options.optimizer_options.global_jit_level = tf.OptimizerOptions.ON_1
    return config
