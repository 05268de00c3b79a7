"""Chooses the weights that a training starts from, and checks the folder that it writes to."""

import re
from collections.abc import Callable

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import CheckpointError
from bert_wwm.model import untrained_head
from bert_wwm.model.checkpoint import plan_restore
from bert_wwm.model.checkpoint_path import named_checkpoint, resolve
from bert_wwm.train.checkpoints import checkpoints_among
from bert_wwm.train.settings import TrainingSettings

ScaffoldFn = Callable[[], "tf.train.Scaffold"] | None
Log = Callable[[str], None] | None

_INDEX = re.compile(r"(.+)\.index")
_OTHER_FORMAT = re.compile(r".+\.(safetensors|h5|pdparams)|pytorch_model.*\.bin")
_TASK_HEAD = re.compile(r"output_(weights|bias)$|cls/(squad|answer_type)/")
_NEW_FOLDER = "expected a new folder as --output_dir, and"


def check_start(output_dir: str, init_checkpoint: str | None, for_task: bool) -> None:
    """Checks where weights go and where they come from, before any data is read.

    Refuses a released model's folder, and the folder of another kind of training: ``for_task`` is
    whether it is for fine-tuning, rather than pretraining. The folder may be missing.

    Raises:
        CheckpointError: the folder holds other weights, and the message says how to start from
            them; or ``init_checkpoint`` is missing, which is needed unless the folder has a
            checkpoint of its own.
    """
    folder = output_dir.rstrip("/") or output_dir
    names = sorted(tf.gfile.ListDirectory(folder)) if tf.gfile.IsDirectory(folder) else []
    own = checkpoints_among(names)
    for name in names:
        index = _INDEX.fullmatch(name)
        if index and index[1] not in own:
            raise _other_weights(f"{folder}/{index[1]}")
        if _OTHER_FORMAT.fullmatch(name):
            raise CheckpointError(
                f"{folder}/{name}: weights of another program; {_NEW_FOLDER} --init_checkpoint "
                "with what convert_checkpoint.py to_tf makes of these"
            )
    named = named_checkpoint(folder) if names else None
    if named and not own and files.exists(f"{named}.index"):
        raise CheckpointError(
            f"{folder}/checkpoint: names {named}, which is in another folder; {_NEW_FOLDER} "
            f"--init_checkpoint={named} to start from it"
        )
    if own:
        _check_variables(f"{folder}/{own[-1]}", for_task)
    if init_checkpoint and not tf.train.latest_checkpoint(output_dir):
        resolve(init_checkpoint)


def _check_variables(prefix: str, for_task: bool) -> None:
    try:
        variables = [name for name, _ in tf.train.list_variables(prefix)]
    except (tf.errors.OpError, ValueError, IndexError):
        return  # broken: the training takes the one before it
    has_task = any(map(_TASK_HEAD.match, variables))
    if "global_step" not in variables or has_task != for_task:
        raise _other_weights(prefix)


def _other_weights(prefix: str) -> CheckpointError:
    return CheckpointError(
        f"{prefix}: weights of another program; {_NEW_FOLDER} --init_checkpoint={prefix} to start "
        "from them"
    )


def initialize_weights(
    model_dir: str,
    settings: TrainingSettings,
    training: bool,
    log: Log,
    unused_scopes: tuple[str, ...] = (),
) -> tuple[str | None, ScaffoldFn]:
    """Lets the variables start from ``init_checkpoint``, unless the folder has a checkpoint.

    The Estimator restores what this training has left in its folder; without such a checkpoint
    the weights start from another, or at random. Returns the folder's checkpoint, and on TPU the
    function that initialises there.
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
