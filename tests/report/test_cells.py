"""The plan of reproducing the papers' tables."""

import json
import pathlib

import pytest

from bert_wwm.core.errors import ConfigError
from bert_wwm.report.cells import (
    count_finished_runs,
    find_data,
    find_models,
    is_finished,
    make_cells,
    mark_finished,
)
from bert_wwm.report.results import load_published
from bert_wwm.tasks.run_files import RunFiles
from bert_wwm.tasks.table import TASKS

PUBLISHED = pathlib.Path(__file__).resolve().parents[2] / "configs" / "published_results.json"


def _model(folder, checkpoint="bert_model.ckpt", layers=2):
    folder.mkdir()
    config = {"num_hidden_layers": layers, "hidden_size": 8, "intermediate_size": 16}
    (folder / "bert_config.json").write_text(json.dumps(config))
    for name in ("vocab.txt", f"{checkpoint}.index", f"{checkpoint}.data-00000-of-00001"):
        (folder / name).write_text("a")
    return folder


def _data(folder, **tasks):
    for task, names in tasks.items():
        (folder / task).mkdir(parents=True)
        for name in names.split():
            (folder / task / name).write_text("12345678")
    return folder


@pytest.fixture
def plan(tmp_path):
    data = _data(tmp_path / "data", lcqmc="train.tsv dev.tsv test.tsv", msra_ner="train.txt")
    (data / "msra_ner" / "test.txt").touch()
    models = [
        _model(tmp_path / "RBT3"),
        _model(tmp_path / "ernie_1.0", "ernie.ckpt", layers=4),
    ]

    def make(*flags, num_runs=10):
        return make_cells(
            "/checkout",
            find_models([f"{models[0]}/", str(models[1])]),
            find_data(str(data), ["lcqmc", "msra_ner"]),
            load_published(str(PUBLISHED)),
            str(tmp_path / "out"),
            num_runs,
            flags,
        )

    return make


def test_a_cell_is_a_run_of_the_task_s_program(plan, tmp_path):
    cells = plan("--use_xla")
    assert [(cell.task, cell.model) for cell in cells] == [
        *(("lcqmc", "RBT3"), ("lcqmc", "ernie_1.0")),
        *(("msra_ner", "RBT3"), ("msra_ner", "ernie_1.0")),
    ]
    lcqmc, by_ernie, msra, _ = cells
    assert lcqmc.command[1:] == [
        "/checkout/run_classifier.py",
        "--task_name=lcqmc",
        f"--data_dir={tmp_path}/data/lcqmc",
        f"--output_dir={tmp_path}/out/lcqmc/RBT3",
        f"--feature_dir={tmp_path}/out/features",
        "--model_name=RBT3",
        f"--bert_config_file={tmp_path}/RBT3/bert_config.json",
        f"--vocab_file={tmp_path}/RBT3/vocab.txt",
        f"--init_checkpoint={tmp_path}/RBT3/bert_model.ckpt",
        "--num_runs=10",
        *("--do_train", "--do_eval", "--do_predict", "--use_xla"),
    ]
    assert "--learning_rate=3e-05" in by_ernie.command  # HFL: ERNIE's for LCQMC; others have 2e-5
    assert f"--init_checkpoint={tmp_path}/ernie_1.0/ernie.ckpt" in by_ernie.command
    assert msra.command[1] == "/checkout/run_ner.py"
    assert "--do_predict" in msra.command and "--do_eval" not in msra.command  # it has no dev set
    assert by_ernie.cost == 2 * lcqmc.cost == 4 * 8 * 8 * (32 + 32)


def test_files_may_be_in_folders_below_the_task_s(tmp_path):
    (tmp_path / "xnli" / "multinli").mkdir(parents=True)
    for name in ("train.tsv", "multinli/multinli.train.zh.tsv", "xnli.dev.tsv"):
        (tmp_path / "xnli" / name).touch()
    folder, splits = find_data(str(tmp_path), ["xnli"])["xnli"]
    assert folder == f"{tmp_path}/xnli"
    assert splits == {
        "train": f"{folder}/multinli/multinli.train.zh.tsv",
        "dev": f"{folder}/xnli.dev.tsv",
    }


def test_a_cell_has_finished_for_one_command_and_its_inputs(plan, tmp_path):
    cell = plan()[0]
    assert not is_finished(cell)
    pathlib.Path(cell.folder).mkdir(parents=True)
    mark_finished(cell)
    assert not is_finished(cell)  # the results are missing
    pathlib.Path(cell.folder, "results.json").write_text("{}")
    assert is_finished(cell) and not is_finished(plan(num_runs=11)[0])
    pathlib.Path(cell.folder, "finished.json").write_text("{")
    assert not is_finished(cell)
    mark_finished(cell)
    (tmp_path / "data" / "lcqmc" / "train.tsv").write_text("changed")
    assert not is_finished(plan()[0])


def test_finished_runs_are_counted(plan):
    cell = plan(num_runs=2)[0]
    assert count_finished_runs(cell) == 0
    record = {"settings": {"task": "lcqmc", "kind": "sentence"}}
    for seed, trained in enumerate((True, False)):
        run = RunFiles(str(pathlib.Path(cell.folder, f"rate_2e-05_seed_{seed}")))
        run.write_record({**record, "trained": trained})
    pathlib.Path(cell.folder, "rate_2e-05_seed_3").mkdir()
    pathlib.Path(cell.folder, "rate_2e-05_seed_3", "run.json").write_text("{")
    assert count_finished_runs(cell) == 1
    mark_finished(cell)
    pathlib.Path(cell.folder, "results.json").write_text("{}")
    assert count_finished_runs(cell) == 2


def test_all_missing_data_is_in_one_sentence(tmp_path):
    data = _data(
        tmp_path, lcqmc="train.tsv", xnli="dev.tsv", drcd="DRCD_training.json DRCD_dev.json"
    )
    with pytest.raises(ConfigError) as error:
        find_data(str(data), ["cmrc2018", "drcd", "xnli", "lcqmc", "msra_ner"])
    assert str(error.value) == (
        f"missing data: {tmp_path}/cmrc2018 (cmrc2018_train.json, cmrc2018_dev.json), "
        f"{tmp_path}/xnli (multinli/multinli.train.zh.tsv), {tmp_path}/lcqmc (dev.tsv), "
        f"{tmp_path}/msra_ner (msra_train_bio.txt, dev.txt); scripts/list_tasks.py prints the "
        "files of each task; expected them, or --tasks without these"
    )


def test_what_a_model_lacks_is_told(tmp_path):
    folder = _model(tmp_path / "a")
    (folder / "vocab.txt").unlink()
    with pytest.raises(ConfigError, match=r"--models: .*/a has no vocab\.txt; expected a model's"):
        find_models([str(folder)])
    (folder / "vocab.txt").touch()
    for name in ("x.ckpt.index", "y.ckpt.index"):
        (folder / name).touch()
    assert find_models([str(folder)])[0].checkpoint == f"{folder}/bert_model.ckpt"
    (folder / "bert_model.ckpt.index").unlink()
    with pytest.raises(
        ConfigError, match=r"/a has 2 checkpoints; expected bert_model\.ckpt\.index"
    ):
        find_models([str(folder)])
    (tmp_path / "other").mkdir()
    same = _model(tmp_path / "other" / "a")
    (folder / "x.ckpt.index").unlink()
    with pytest.raises(ConfigError, match="two folders are called a; expected different names"):
        find_models([str(folder), str(same)])


def test_settings_are_those_that_hfl_publishes():
    """README.md of ymcui/Chinese-BERT-wwm, 最佳学习率, and of iflytek/MiniRBT."""
    bert = {"cmrc2018": 3e-5, "drcd": 3e-5, "cjrc": 4e-5, "xnli": 3e-5, "chnsenticorp": 2e-5}
    bert.update({"lcqmc": 2e-5, "bq": 3e-5, "thucnews": 2e-5, "ocnli": 2e-5, "tnews": 2e-5})
    assert {task: TASKS[task].settings.learning_rate for task in bert} == bert
    small = {"cmrc2018": 1e-4, "drcd": 1e-4, "ocnli": 5e-5, "lcqmc": 1e-4, "bq": 1e-4}
    small.update({"tnews": 1e-4, "chnsenticorp": 1e-4})
    assert {task: TASKS[task].settings_for(True).learning_rate for task in small} == small
    ernie = {"cmrc2018": 8e-5, "drcd": 8e-5, "cjrc": 8e-5, "xnli": 5e-5, "chnsenticorp": 5e-5}
    ernie.update({"lcqmc": 3e-5, "bq": 5e-5, "thucnews": 5e-5})
    assert load_published(str(PUBLISHED)).learning_rates == {"ERNIE": ernie}
