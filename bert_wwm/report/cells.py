"""The cells of the papers' tables: a program's run with several seeds for each task and model."""

import contextlib
import glob
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from bert_wwm.core import files
from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.core.input_files import read_version
from bert_wwm.core.json_files import read_json, read_object, write_json
from bert_wwm.report.results import RESULTS_FILE, Published, is_same_model
from bert_wwm.tasks.kinds import KINDS
from bert_wwm.tasks.run_files import RunFiles
from bert_wwm.tasks.table import TASKS

_PURPOSES = {"train": "--do_train", "dev": "--do_eval", "test": "--do_predict"}
_FINISHED = "finished.json"

Data = dict[str, tuple[str, dict[str, str]]]  # by task: a folder, and the files of its splits


class Model(NamedTuple):
    """A folder with bert_config.json, vocab.txt and a checkpoint, whose prefix is given."""

    folder: str
    checkpoint: str

    @property
    def name(self) -> str:
        return os.path.basename(os.path.abspath(self.folder))

    @property
    def files(self) -> list[str]:
        return [
            os.path.join(self.folder, "bert_config.json"),
            os.path.join(self.folder, "vocab.txt"),
            *sorted(glob.glob(f"{glob.escape(self.checkpoint)}.*")),
        ]


class Cell(NamedTuple):
    """A task and a model, by their names."""

    task: str
    model: str
    folder: str  # output of the runs
    command: list[str]  # the program and its arguments
    inputs: list[str]  # the files that it reads
    num_runs: int  # seeds
    cost: float  # proportional to the time of a run, roughly: bytes to train on, times weights

    @property
    def title(self) -> str:
        return f"{self.task}, {self.model}"


def find_models(folders: Sequence[str]) -> list[Model]:
    """Returns the models of some folders, which differ in their names."""
    models = []
    for folder in folders:
        for name in ("bert_config.json", "vocab.txt"):
            if not os.path.exists(os.path.join(folder, name)):
                raise ConfigError(f"--models: {folder} has no {name}; expected a model's folder")
        found = sorted(glob.glob(os.path.join(glob.escape(folder), "*.index")))
        usual = os.path.join(folder, "bert_model.ckpt.index")
        index = usual if usual in found else found[0] if len(found) == 1 else None
        if index is None:
            raise ConfigError(
                f"--models: {folder} has {len(found)} checkpoints; expected bert_model.ckpt.index, "
                "or one of another name"
            )
        models.append(Model(folder, index.removesuffix(".index")))
    names = [model.name for model in models]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"--models: two folders are called {name}; expected different names")
    return models


def find_data(data_dir: str, tasks: Sequence[str]) -> Data:
    """Returns the folder of each task, which has its name, and the file of each split there."""
    data: Data = {}
    missing = []
    for task in tasks:
        folder = os.path.join(data_dir, task)
        paths = {
            split: os.path.join(folder, name)
            for split, names in TASKS[task].files.items()
            for name in reversed(names)  # the usual name is the first
            if os.path.exists(os.path.join(folder, name))
        }
        data[task] = folder, {split: paths[split] for split in _PURPOSES if split in paths}
        lacking = [split for split in ("train", "dev") if split not in paths]
        if "train" in lacking or ("dev" in lacking and "test" not in paths):
            names = [TASKS[task].files[s][0] for s in lacking if TASKS[task].files.get(s)]
            missing.append(f"{folder} ({', '.join(names)})")
    if missing:
        raise ConfigError(
            f"missing data: {', '.join(missing)}; scripts/list_tasks.py prints the files of each "
            "task; expected them, or --tasks without these"
        )
    return data


def make_cells(
    root: str,
    models: Sequence[Model],
    data: Data,
    published: Published,
    output_dir: str,
    num_runs: int,
    program_flags: Sequence[str] = (),
) -> list[Cell]:
    """Returns the cells of all tasks and models, whose programs are in the folder ``root``.

    Where a model's published learning rate differs from the task's, it is a flag; the programs know
    those of small models. Each cell has a folder in ``output_dir``.
    """
    cells = []
    for task, (data_dir, splits) in data.items():
        for model in models:
            folder = os.path.join(output_dir, task, model.name)
            config, vocabulary, *_ = model.files
            flags = {
                "task_name": task,
                "data_dir": data_dir,
                "output_dir": folder,
                "feature_dir": os.path.join(output_dir, "features"),
                "model_name": model.name,
                "bert_config_file": config,
                "vocab_file": vocabulary,
                "init_checkpoint": model.checkpoint,
                "num_runs": num_runs,
            }
            for name, rates in published.learning_rates.items():
                if is_same_model(name, model.name) and task in rates:
                    flags["learning_rate"] = rates[task]
            command = [
                sys.executable,
                os.path.join(root, KINDS[TASKS[task].kind].program),
                *(f"--{name}={value}" for name, value in flags.items()),
                *(_PURPOSES[split] for split in splits),
                *program_flags,
            ]
            inputs = [*model.files, *splits.values()]
            cost = files.size(splits["train"]) * _count_weights(config)
            cells.append(Cell(task, model.name, folder, command, inputs, num_runs, cost))
    return cells


def _count_weights(config: str) -> int:
    """Returns the number of weights in the layers; 1 for a config that the program will refuse."""
    values = read_object(config)
    sizes = [values.get(f"{name}_size") for name in ("hidden", "intermediate")]
    layers = values.get("num_hidden_layers")
    if not all(isinstance(size, int) and size > 0 for size in (*sizes, layers)):
        return 1
    hidden, intermediate = sizes
    return layers * hidden * (4 * hidden + 2 * intermediate)


def is_finished(cell: Cell) -> bool:
    """Whether this very command has finished, with these versions of its inputs."""
    path = os.path.join(cell.folder, _FINISHED)
    if not os.path.exists(path) or not os.path.exists(os.path.join(cell.folder, RESULTS_FILE)):
        return False
    try:
        return read_json(path) == _describe(cell)
    except DataError:  # the program itself knows better
        return False


def mark_finished(cell: Cell) -> None:
    """Notes that the command has finished. Else the program finds out, which takes longer."""
    write_json(os.path.join(cell.folder, _FINISHED), _describe(cell))


def _describe(cell: Cell) -> dict[str, object]:
    inputs = {path: str(read_version(path)) for path in cell.inputs}
    return {"command": cell.command[1:], "inputs": inputs}


def count_finished_runs(cell: Cell) -> int:
    """Returns the number of seeds whose training has finished."""
    if is_finished(cell):  # the folders of its runs may be gone
        return cell.num_runs
    count = 0
    for run in (RunFiles(cell.folder), *RunFiles.find_in(cell.folder)):
        with contextlib.suppress(DataError):  # the program itself reports it
            record = run.read_record()
            count += bool(record and record["trained"])
    return min(count, cell.num_runs)
