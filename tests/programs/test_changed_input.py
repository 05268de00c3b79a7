"""Programs whose input changes while they run."""

import os
import shutil

import launcher
import pytest
from finetuning_runs import chnsenticorp, reviews

from bert_wwm.core.shards import manifest_path


def error_after_change(path, program, *flags, at):
    """Gives a file another time when a program's output matches; returns the program's error."""
    process = launcher.start(program, *flags)
    assert process.wait_for(at), process.stderr()
    os.utime(path, (0, 0))
    result = process.result()
    assert result.returncode == 1 and "Traceback" not in result.stderr, result.stderr
    return result.stderr.splitlines()[-1].partition(": error: ")[2]


def test_pretraining_on_records_that_change_ends_in_an_error(
    records, bert_config, vocab_file, tmp_path
):
    path, folder = str(tmp_path / "a.tfrecord"), tmp_path / "model"
    shutil.copy(records, path)
    shutil.copy(manifest_path(records), manifest_path(path))
    error = error_after_change(
        path,
        "run_pretraining.py",
        f"--input_file={path}",
        f"--output_dir={folder}",
        f"--bert_config_file={bert_config(num_hidden_layers=1)}",
        "--max_seq_length=32",
        "--max_predictions_per_seq=5",
        "--train_batch_size=8",
        "--num_train_steps=10",
        "--do_train",
        "--do_eval",
        at="Training to step",
    )
    assert error.startswith(f"{path}: changed while it was read, from ")
    assert (folder / "model.ckpt-10.index").exists()
    assert not (folder / "eval_results.txt").exists()


@pytest.mark.parametrize("split", ["train", "dev"])
def test_no_score_of_a_file_that_changed_is_written(model, tmp_path, split):
    folder = tmp_path / "out"
    for seed, name in enumerate(("train", "dev")):
        text = chnsenticorp(reviews(16, seed))
        (tmp_path / f"{name}.tsv").write_text(text, encoding="utf-8")
    flags = (
        "--task_name=chnsenticorp",
        f"--data_dir={tmp_path}",
        f"--output_dir={folder}",
        *model,
        "--max_seq_length=32",
        "--train_batch_size=8",
        "--num_train_epochs=1",
        "--do_train",
        "--do_eval",
    )
    path = tmp_path / f"{split}.tsv"
    error = error_after_change(path, "run_classifier.py", *flags, at="^dev .*16 examples")
    assert error.startswith(f"{path}: changed while it was read, from ")
    assert not any((folder / name).exists() for name in ("eval_results.txt", "results.json"))
    if split == "dev":  # its content is the same, so the next run may use what was trained
        assert "trained before" in launcher.output("run_classifier.py", *flags)
        assert (folder / "results.json").exists()
