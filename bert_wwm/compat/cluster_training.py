"""Starts the servers of a cluster for tf.estimator, on TensorFlow 2.16 and later.

The functions have the names and arguments by which tensorflow-estimator calls those of
tensorflow.python.distribute.estimator_training, which is gone. They cover what the toolkit needs:
workers that each run the same program, listed by TF_CONFIG.
"""

import copy
from typing import Any

from tensorflow.python.distribute import distribute_coordinator, distribute_coordinator_context
from tensorflow.python.training.server_lib import ClusterSpec


def init_run_config(config: Any, tf_config: dict[str, Any]) -> None:
    """Sets a RunConfig's place in the cluster that TF_CONFIG describes.

    With a distribution strategy it gets its place only when the servers have started.
    """
    cluster = ClusterSpec(tf_config.get("cluster", {}))
    if cluster and config.train_distribute:
        config._init_distributed_setting_from_environment_var({})
        config._cluster_spec = cluster
        config._distribute_coordinator_mode = (
            distribute_coordinator.CoordinatorMode.INDEPENDENT_WORKER
        )
        return
    config._distribute_coordinator_mode = None
    config._init_distributed_setting_from_environment_var(tf_config)
    config._maybe_overwrite_session_config_for_distributed_training()


def should_run_distribute_coordinator(config: Any) -> bool:
    """Returns True if the servers of a cluster have to be started."""
    return config._distribute_coordinator_mode is not None


def train_and_evaluate(estimator: Any, train_spec: Any, _eval_spec: Any, _executor: Any) -> None:
    """Starts this process's server and trains; the toolkit evaluates without the cluster."""

    def train(strategy: Any) -> None:
        context = distribute_coordinator_context.get_current_worker_context()
        config = copy.copy(estimator.config)
        config._distribute_coordinator_mode = None  # the server runs
        config._train_distribute = strategy
        config._cluster_spec = context.cluster_spec
        config._task_type, config._task_id = context.task_type, context.task_id
        config._is_chief = context.is_chief
        config._master = config._evaluation_master = context.master_target
        config._num_ps_replicas = 0
        config._num_worker_replicas = context.num_workers
        # RunConfig counts the chief first.
        has_chief = "chief" in context.cluster_spec.jobs
        is_worker = context.task_type == "worker"
        config._global_id_in_cluster = context.task_id + (has_chief and is_worker)
        local = copy.copy(estimator)
        local._config, local._train_distribution = config, strategy
        local.train(train_spec.input_fn, max_steps=train_spec.max_steps, hooks=train_spec.hooks)

    distribute_coordinator.run_distribute_coordinator(
        train,
        estimator.config.train_distribute,
        mode=estimator.config._distribute_coordinator_mode,
        session_config=estimator.config.session_config,
    )
