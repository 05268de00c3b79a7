"""The files that are damaged, and the code that reads them."""

import contextlib
import functools
import json
import os
import pathlib
import random
import shutil
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from torture.damage import (
    damage_bytes,
    damage_compressed,
    damage_json,
    damage_record,
    damage_safetensors,
)
from torture.inputs import CONFIG, Inputs

TARGETS = "targets.pickle"  # where they are handed to the process that reads them
_LENGTH, _PREDICTIONS = 32, 5  # of a record
Damage = Callable[[bytes, random.Random], bytes]


class Target(NamedTuple):
    """A file within a folder.

    Attributes:
        folder: the folder, undamaged.
        name: the file.
        damage: how to damage it.
        read: reads a copy of the folder; returns what compares equal if it is the same.
        is_checked: the reader can know each damage, so that it may return nothing else than
            it does of the undamaged folder.
    """

    folder: pathlib.Path
    name: str
    damage: Damage
    read: Callable[[pathlib.Path], Any]
    is_checked: bool = False


def values_of(arrays: dict[str, np.ndarray]) -> Any:
    """Returns arrays in a form to compare."""
    return {n: (a.dtype.str, a.shape, a.tobytes()) for n, a in sorted(arrays.items())}


def make_records(inputs: Inputs, folder: pathlib.Path) -> list[Target]:
    """TFRecords: with a manifest, without one, and compressed."""
    from bert_wwm.core.files import compress
    from bert_wwm.core.shards import manifest_path

    data = inputs.records.read_bytes()[: 40 * _record_size(inputs.records)]
    folders = {name: folder / name for name in ("manifest", "bare", "gzip")}
    for name, place in folders.items():
        place.mkdir()
        (place / "a.tfrecord").write_bytes(compress(data) if name == "gzip" else data)
    manifest = json.loads(pathlib.Path(manifest_path(str(inputs.records))).read_text())
    manifest["files"] = {"a.tfrecord": {"records": 40, "bytes": len(data)}}
    where = manifest_path(str(folders["manifest"] / "a.tfrecord"))
    pathlib.Path(where).write_text(json.dumps(manifest))
    read = _read_records
    file = "a.tfrecord"
    return [
        Target(folders["manifest"], file, damage_bytes, read, is_checked=True),
        Target(folders["manifest"], file, damage_record, read),
        Target(folders["manifest"], os.path.basename(where), damage_json, read),
        Target(folders["bare"], file, damage_bytes, read),
        Target(folders["bare"], file, damage_record, read),
        Target(folders["gzip"], file, damage_bytes, read),
        Target(folders["gzip"], file, damage_compressed, read),
    ]


def _record_size(path: pathlib.Path) -> int:
    """Returns the bytes of a framed record; all are of the same size."""
    return 16 + int.from_bytes(path.read_bytes()[:8], "little")


def _read_records(folder: pathlib.Path) -> Any:
    """Reads records as run_pretraining.py does, without a model."""
    from bert_wwm.compat import tf
    from bert_wwm.records import manifest
    from bert_wwm.records.checks import check_records, read_field_names
    from bert_wwm.records.framing import count_records, find_compression
    from bert_wwm.records.input_fn import READ_ERRORS

    path, (schema, limits) = str(folder / "a.tfrecord"), _schema()
    expected = {
        "max_seq_length": _LENGTH,
        "max_predictions_per_seq": _PREDICTIONS,
        "vocab_size": CONFIG["vocab_size"],
    }
    for bare in manifest.check([path], expected):
        check_records([bare], schema, limits, first_only=True)
    fields = read_field_names([path])
    try:
        session, initializer, batch = _graph(path, find_compression(path))
        session.run(initializer)
        rows = []
        with contextlib.suppress(tf.errors.OutOfRangeError):
            while True:
                rows.append(values_of(session.run(batch)))
    except READ_ERRORS:
        check_records([path], schema, limits)
        raise
    return fields, count_records(path), rows


def _schema() -> Any:
    from bert_wwm.records.checks import find_limits
    from bert_wwm.records.schema import pretraining_schema

    schema = pretraining_schema(_LENGTH, _PREDICTIONS)
    return schema, find_limits(schema, CONFIG["vocab_size"])


@functools.cache
def _graph(path: str, compression: str) -> Any:
    """Makes what reads a path, once for each compression: the input function looks at it."""
    from bert_wwm.compat import tf
    from bert_wwm.records.input_fn import eval_input_fn

    schema, limits = _schema()
    with tf.Graph().as_default() as graph:
        input_fn = eval_input_fn([path], schema, False, limits)
        iterator = tf.data.make_initializable_iterator(input_fn({"batch_size": 16}))
        return tf.Session(graph=graph), iterator.initializer, iterator.get_next()


def make_state_files(inputs: Inputs, folder: pathlib.Path) -> list[Target]:
    """Everything that a run leaves for a later one, or for another program."""
    run = folder / "run"
    shutil.copytree(inputs.finetuned, run, ignore=shutil.ignore_patterns("features", "*.png"))
    for path in (inputs.config, inputs.vocabulary):
        shutil.copy(path, run)
    # A copy of the newest checkpoint under the name of an older one, to fall back on.
    prefix = os.path.basename(_newest_checkpoint(run))
    for path in run.glob(f"{prefix}.*"):
        shutil.copy(path, run / path.name.replace(prefix, "model.ckpt-1"))
    shards, settings = folder / "shards", folder / "settings"
    _leave_unfinished(shards)
    _open_run_folder(settings)
    curve = next(path.name for path in run.glob("events*"))
    checkpoint = [f"{prefix}.index", f"{prefix}.data-00000-of-00001", "checkpoint"]
    return [
        Target(shards, ".out.unfinished/journal.json", damage_json, _resume, is_checked=True),
        Target(shards, "manifest.done.json", damage_json, _find_finished),
        Target(settings, "settings.json", damage_json, _open_run_folder),
        *(Target(run, name, damage_json, _find_outcome) for name in ("run.json", "labels.json")),
        Target(run, "results.json", damage_json, _load_results),
        Target(run, "best/best.json", damage_json, _load_best),
        Target(run, "best/checkpoint", damage_bytes, _load_best),
        Target(run, "bert_config.json", damage_json, _read_config),
        Target(run, "vocab.txt", damage_bytes, _read_vocabulary),
        Target(run, curve, damage_bytes, _read_curves),
        *(Target(run, name, damage_bytes, _read_newest, is_checked=True) for name in checkpoint),
    ]


def _newest_checkpoint(folder: pathlib.Path) -> str:
    from bert_wwm.train.checkpoints import newest_readable

    return newest_readable(str(folder), lambda line: None)


def _shards(folder: pathlib.Path, name: str) -> Any:
    from bert_wwm.core.shards import Shards

    return Shards([str(folder / name)], {"flag": {"a": 1}})


def _leave_unfinished(folder: pathlib.Path) -> None:
    folder.mkdir()
    with _shards(folder, "out") as shards:
        shards.append([b"1234"], {"blocks": 1})
    with _shards(folder, "done") as shards:
        shards.append([b"1234"], {"blocks": 1})
        shards.finish({"format": 1}, [{"records": 1}])


def _resume(folder: pathlib.Path) -> Any:
    with _shards(folder, "out") as shards:
        return shards.state, b"".join(shards.written(0))


def _find_finished(folder: pathlib.Path) -> Any:
    with _shards(folder, "done") as shards:
        return shards.finished


def _open_run_folder(folder: pathlib.Path) -> Any:
    from bert_wwm.cli.run_folder import open_run_folder

    with open_run_folder(str(folder), {"a": 1, "b": [{"c": "d"}]}, overwrite=False):
        return True


def _find_outcome(folder: pathlib.Path) -> Any:
    from bert_wwm.convert.google_folder import recorded
    from bert_wwm.finetuning.outcome import find_outcome
    from bert_wwm.finetuning.served import describe
    from bert_wwm.tasks.run_files import RunFiles

    flags = (
        "task_name bert_config_file gelu vocab_file do_lower_case tokenizer max_seq_length labels "
        "max_answer_length"
    )
    outcome = find_outcome(str(folder), lambda line: None)
    served = describe(outcome, dict.fromkeys(flags.split()))
    record = recorded(str(folder / "best" / "model.ckpt-8"))
    return served.facts(), record, RunFiles(str(folder)).read_labels()


def _load_results(folder: pathlib.Path) -> Any:
    from bert_wwm.report.results import load_results

    return load_results(str(folder / "results.json"))._replace(path="")


def _load_best(folder: pathlib.Path) -> Any:
    from bert_wwm.train.checkpoints import BestCheckpoint

    return BestCheckpoint(str(folder), "accuracy", lambda line: None).best


def _read_config(folder: pathlib.Path) -> Any:
    from bert_wwm.model.bert import BertConfig

    return BertConfig.from_json_file(str(folder / "bert_config.json")).to_dict()


def _read_vocabulary(folder: pathlib.Path) -> Any:
    from bert_wwm.text.vocabulary import Vocabulary

    return Vocabulary.from_file(str(folder / "vocab.txt")).pieces


def _read_curves(folder: pathlib.Path) -> Any:
    from bert_wwm.report.curves import read_scalars

    return read_scalars(str(folder))


def _read_newest(folder: pathlib.Path) -> Any:
    """The newest checkpoint and the one before it hold the same."""
    from bert_wwm.compat import tf

    reader = tf.train.load_checkpoint(_newest_checkpoint(folder))
    return values_of({n: reader.get_tensor(n) for n in reader.get_variable_to_shape_map()})


def make_hugging_face(inputs: Inputs, folder: pathlib.Path) -> list[Target]:
    """Folders of Hugging Face's libraries, with each form of weights."""
    import h5py
    import torch

    from bert_wwm.convert import safetensors_file

    source = inputs.hugging_face
    tensors = safetensors_file.read(str(source / "model.safetensors"))
    folders = {name: folder / name for name in ("safetensors", "torch", "h5")}
    for place in folders.values():
        shutil.copytree(source, place)
    for name in ("torch", "h5"):
        (folders[name] / "model.safetensors").unlink()
    weights = {name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()}
    torch.save(weights, folders["torch"] / "pytorch_model.bin")
    with h5py.File(folders["h5"] / "tf_model.h5", "w") as stream:
        for name, tensor in tensors.items():
            stream.create_dataset(name, data=tensor)
    safe = folders["safetensors"]
    texts = [path.name for path in safe.iterdir() if path.suffix == ".json"]
    return [
        *(Target(safe, name, damage_json, _read_hugging_face) for name in texts),
        Target(safe, "vocab.txt", damage_bytes, _read_hugging_face),
        Target(safe, "model.safetensors", damage_bytes, _read_hugging_face),
        Target(safe, "model.safetensors", damage_safetensors, _read_hugging_face),
        *[Target(folders["torch"], "pytorch_model.bin", damage_bytes, _read_hugging_face)] * 2,
        *[Target(folders["h5"], "tf_model.h5", damage_bytes, _read_hugging_face)] * 2,
    ]


def _read_hugging_face(folder: pathlib.Path) -> Any:
    from bert_wwm.convert.hugging_face import read_folder

    model = read_folder(str(folder))
    return values_of(model.tensors), model.config, model.vocabulary, model.do_lower_case


def make_ltp_models(inputs: Inputs, folder: pathlib.Path) -> list[Target]:
    """LTP's perceptrons."""
    place = folder / "ltp"
    shutil.copytree(inputs.ltp_model, place)
    models = [f"{task}_model.bin" for task in ("cws", "pos", "ner")]
    return [
        *(Target(place, name, damage_bytes, _find_words) for name in models),
        Target(place, "config.json", damage_json, _find_words),
    ]


def _find_words(folder: pathlib.Path) -> Any:
    from bert_wwm.segmentation import ltp

    model = ltp.load(str(folder), parallelism=False)
    sentences = ["我爱北京。", "今天天气很好！", "", "他来到天安门，thank you"]
    return model.annotate(sentences, ("pos", "ner"))


MAKERS: dict[str, Callable[[Inputs, pathlib.Path], Sequence[Target]]] = {
    "records": make_records,
    "state_files": make_state_files,
    "hugging_face": make_hugging_face,
    "ltp_models": make_ltp_models,
}
