"""Chooses the weights that a model function starts from."""

from collections.abc import Callable

from bert_wwm.compat import tf
from bert_wwm.core.errors import CheckpointError
from bert_wwm.model import untrained_head
from bert_wwm.model.checkpoint import plan_restore
from bert_wwm.train.settings import TrainingSettings

ScaffoldFn = Callable[[], "tf.train.Scaffold"] | None
Log = Callable[[str], None] | None


def initialize_weights(
    model_dir: str,
    settings: TrainingSettings,
    training: bool,
    log: Log,
    unused_scopes: tuple[str, ...] = (),
) -> tuple[str | None, ScaffoldFn]:
    """Lets the variables start from ``init_checkpoint``, unless the folder has a checkpoint.

    The Estimator restores what this training has left in its folder; without such a checkpoint
    the weights start from another, or at random.

    Returns:
        The folder's checkpoint, and on TPU the function that initialises there.
    """
    latest = tf.train.latest_checkpoint(model_dir)
    if latest or not settings.init_checkpoint:
        if log and not latest and _is_first_replica():
            log(
                f"Initial weights: all {len(tf.trainable_variables())} variables are random; "
                "--init_checkpoint starts from a trained model"
            )
        return latest, None
    variables = [v for v in tf.trainable_variables() if not v.name.startswith(unused_scopes)]
    plan = plan_restore(
        variables,
        settings.init_checkpoint,
        layers=settings.init_layers,
        allow_random=settings.allow_random_init,
    )
    if log and _is_first_replica():
        log(plan.report())
        note = untrained_head.describe_restored(plan.checkpoint, plan.sources)
        if note:
            log(f"  note: {note}")
    # Of the encoder only what --allow_random_init names may be missing, such as an unused pooler.
    heads = [name for name in plan.initialized if not name.startswith("bert/")]
    if heads and not training:
        raise CheckpointError(
            f"{settings.init_checkpoint}: lacks {', '.join(heads)}; there is nothing to evaluate "
            "before these are trained"
        )
    if not settings.use_tpu:
        plan.apply()
        return None, None

    def scaffold_fn() -> "tf.train.Scaffold":
        plan.apply()
        return tf.train.Scaffold()

    return None, scaffold_fn


def _is_first_replica() -> bool:
    context = tf.distribute.get_replica_context()
    number = context.replica_id_in_sync_group if context else 0
    number = tf.get_static_value(number) if tf.is_tensor(number) else number
    return number == 0


def check_own(checkpoint: str, variables: list[tf.Variable]) -> None:
    """Raises CheckpointError if a checkpoint of --output_dir lacks variables, or shapes differ."""
    once = [variable for variable in variables if "/replica_" not in variable.name]
    missing = plan_restore(once, checkpoint, encoder_scope="").initialized
    if missing:
        raise CheckpointError(
            f"{checkpoint}: lacks {len(missing)} variables of this run, the first {missing[0]}; "
            "expected the same model and optimizer, or another --output_dir, with "
            f"--init_checkpoint={checkpoint} to start from these weights"
        )
