"""A fine-tuned model as a SavedModel, in the folders that TensorFlow Serving looks into."""

import functools
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bert_wwm.compat import tf
from bert_wwm.core import files
from bert_wwm.core.errors import CheckpointError, ConfigError
from bert_wwm.core.json_files import write_json
from bert_wwm.finetuning.onnx import Signature, write_onnx
from bert_wwm.finetuning.served import Served
from bert_wwm.finetuning.versions import publish, unpublished
from bert_wwm.model.bert import BertConfig
from bert_wwm.model.checkpoint import note_files, plan_restore
from bert_wwm.tasks.kinds import KINDS
from bert_wwm.train.checkpoints import find_weights

ONNX = "model.onnx"
EXTRA = "assets.extra"  # where TensorFlow Serving lets be what isn't its own

_SIGNATURE = "serving_default"
_INPUTS = ("input_ids", "input_mask", "segment_ids")  # google-research/bert's features
_PROBE_LENGTHS = (16, 11, 5)  # tokens of the sequences that formats are compared by

Log = Callable[[str], None]
# The type and the shape of each input or output; None where the request says how many.
Shapes = dict[str, tuple[str, list[int | None]]]


class Exported(NamedTuple):
    """A version that was written."""

    folder: str
    inputs: Shapes
    outputs: Shapes


def weights_in(folder: str, log: Log) -> str:
    """Returns the prefix of the best weights of a run, or else of the newest."""
    prefix = find_weights(folder, log, repair=False)
    if prefix:
        return prefix
    raise CheckpointError(
        f"{folder}: holds no trained weights; expected the --output_dir of a run with --do_train"
    )


def export(served: Served, checkpoint: str, export_dir: str, with_onnx: bool, log: Log) -> Exported:
    """Writes the next version of a model: whole, or not at all.

    Raises:
        ConfigError: the configuration doesn't fit the vocabulary, or the folder isn't local.
        CheckpointError: the weights don't fit the model, or ONNX computes something else.
    """
    config = _config(served)
    _check_folder(export_dir)
    with tf.Graph().as_default(), tf.Session() as session:
        signature = build_signature(config, served)
        _restore(session, served, checkpoint)
        with unpublished(export_dir) as temporary:
            _write_saved_model(session, signature, temporary)
            _write_facts(served, checkpoint, temporary)
            if with_onnx:
                feed = probe(config)
                fed = {signature.inputs[name]: values for name, values in feed.items()}
                expected = session.run(signature.outputs, fed)
                weights = session.run({v.op.name: v for v in tf.trainable_variables()})
                path = os.path.join(temporary, ONNX)
                build = functools.partial(build_signature, config, served)
                log(f"ONNX: {write_onnx(build, weights, feed, expected, path)}")
            folder = publish(temporary)
        return Exported(folder, _shapes(signature.inputs), _shapes(signature.outputs))


def build_signature(config: BertConfig, served: Served) -> Signature:
    """Builds the encoder and the task's head in float32, without dropout."""
    inputs = {name: tf.placeholder(tf.int32, [None, None], name) for name in _INPUTS}
    outputs = KINDS[served.kind].load_job().build_answers(config, served.facts_of_kind, inputs)
    return Signature(inputs, {name: tf.identity(outputs[name], name) for name in sorted(outputs)})


def probe(config: BertConfig) -> dict[str, np.ndarray]:
    """Returns a small batch of features, with padding: int32 [B, S] by name."""
    length = min(max(_PROBE_LENGTHS), config.max_position_embeddings)
    lengths = np.minimum(_PROBE_LENGTHS, length)[:, None]
    places = np.arange(length)[None]
    mask = places < lengths
    ids = np.random.default_rng(0).integers(config.vocab_size, size=mask.shape)
    segments = mask & (places >= lengths // 3) & (config.type_vocab_size > 1)
    arrays = {"input_ids": ids * mask, "input_mask": mask, "segment_ids": segments}
    return {name: values.astype(np.int32) for name, values in arrays.items()}


def _config(served: Served) -> BertConfig:
    path = served.bert_config_file
    config = BertConfig.from_json_file(path).with_gelu(served.gelu)
    pieces = len(served.vocabulary)
    if pieces > config.vocab_size:
        raise ConfigError(
            f"{served.vocabulary.path}: {pieces:,} pieces; expected at most the "
            f"{config.vocab_size:,} of vocab_size in {path}"
        )
    config.check_length(served.max_seq_length, path, "max_seq_length")
    return config


def _check_folder(export_dir: str) -> None:
    if files.is_remote(export_dir):
        raise ConfigError(
            f"--export_dir={export_dir}: expected a local folder; a bucket's folders can't be "
            "renamed in one step, so copy it there when it is whole"
        )
    if os.path.exists(export_dir) and not os.path.isdir(export_dir):
        raise ConfigError(f"--export_dir={export_dir}: is a file; expected a folder")


def _restore(session: tf.Session, served: Served, checkpoint: str) -> None:
    """Fills all variables of the graph."""
    variables = tf.trainable_variables()
    note_files(checkpoint)
    missing = plan_restore(variables, checkpoint, encoder_scope="").initialized
    heads = [name for name in missing if not name.startswith("bert/")]
    if heads:
        raise CheckpointError(
            f"{checkpoint}: lacks {', '.join(heads)}; expected weights that were fine-tuned for "
            f"{served.task}, not pretrained ones or another task's"
        )
    if missing:
        raise CheckpointError(
            f"{checkpoint}: lacks {len(missing)} variables of the encoder that "
            f"{served.bert_config_file} describes, the first {missing[0]}; expected its own "
            "configuration"
        )
    tf.train.Saver(variables).restore(session, checkpoint)


def _write_saved_model(session: tf.Session, signature: Signature, folder: str) -> None:
    info = tf.saved_model.utils.build_tensor_info
    definition = tf.saved_model.build_signature_def(
        {name: info(tensor) for name, tensor in signature.inputs.items()},
        {name: info(tensor) for name, tensor in signature.outputs.items()},
        tf.saved_model.signature_constants.PREDICT_METHOD_NAME,
    )
    builder = tf.saved_model.Builder(folder)
    builder.add_meta_graph_and_variables(
        session,
        [tf.saved_model.tag_constants.SERVING],
        signature_def_map={_SIGNATURE: definition},
        clear_devices=True,
        strip_default_attrs=True,  # so that other versions of TensorFlow load it
    )
    builder.save()


def _write_facts(served: Served, checkpoint: str, folder: str) -> None:
    """Writes what makes features of texts, and answers of outputs."""
    extra = os.path.join(folder, EXTRA)
    facts = {**served.facts(), "checkpoint": checkpoint}
    write_json(os.path.join(extra, "serving.json"), facts)
    pieces = "".join(f"{piece}\n" for piece in served.vocabulary.pieces)
    files.write_text(os.path.join(extra, "vocab.txt"), pieces)
    if "labels" in served.facts_of_kind:
        labels = "".join(f"{label}\n" for label in served.facts_of_kind["labels"])
        files.write_text(os.path.join(extra, "labels.txt"), labels)


def _shapes(tensors: dict[str, tf.Tensor]) -> Shapes:
    return {name: (tensor.dtype.name, tensor.shape.as_list()) for name, tensor in tensors.items()}
