"""The Estimator that runs a model function on a CPU, a GPU, or a TPU."""

from typing import Any, Callable, Optional

from bert_wwm.compat import tf


def make_estimator(
    model_fn: Callable[..., Any],
    output_dir: str,
    train_batch_size: int,
    eval_batch_size: int,
    save_checkpoints_steps: int,
    seed: int,
    log_every_steps: int = 100,
    use_tpu: bool = False,
    iterations_per_loop: int = 1000,
    tpu_name: Optional[str] = None,
    tpu_zone: Optional[str] = None,
    gcp_project: Optional[str] = None,
    master: Optional[str] = None,
    num_tpu_cores: int = 8,
) -> "tf.estimator.tpu.TPUEstimator":
    """Returns a TPUEstimator; where ``use_tpu`` is False it runs on what the machine has.

    Args:
        model_fn: the model function.
        output_dir: where checkpoints and TensorBoard's events go.
        train_batch_size: examples of a training step, over all cores.
        eval_batch_size: examples of an evaluation step, over all cores.
        save_checkpoints_steps: steps between two checkpoints.
        seed: of the initial weights and of dropout.
        log_every_steps: on a TPU, steps between two lines of the Estimator's own; elsewhere
            ProgressHook reports.
        use_tpu: run on the TPU that ``tpu_name`` or ``master`` names.
        iterations_per_loop: steps that a TPU takes before it comes back to the host.
        tpu_name, tpu_zone, gcp_project, master: where the TPU is.
        num_tpu_cores: its cores.
    """
    tpu = tf.estimator.tpu
    cluster = None
    if use_tpu and tpu_name:
        cluster = tf.distribute.cluster_resolver.TPUClusterResolver(
            tpu_name, zone=tpu_zone, project=gcp_project
        )
    run_config = tpu.RunConfig(
        cluster=cluster,
        master=master,
        model_dir=output_dir,
        tf_random_seed=seed,
        save_checkpoints_steps=save_checkpoints_steps,
        save_summary_steps=0,  # ProgressHook writes what TensorBoard shows
        log_step_count_steps=log_every_steps if use_tpu else None,
        tpu_config=tpu.TPUConfig(
            iterations_per_loop=iterations_per_loop,
            num_shards=num_tpu_cores,
            per_host_input_for_training=tpu.InputPipelineConfig.PER_HOST_V2,
        ),
    )
    return tpu.TPUEstimator(
        use_tpu=use_tpu,
        model_fn=model_fn,
        config=run_config,
        train_batch_size=train_batch_size,
        eval_batch_size=eval_batch_size,
        params={"model_dir": output_dir},
    )
