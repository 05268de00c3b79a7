"""The tables of the papers, in one command that is killed and started again."""

import json
import os
import pathlib
import re
import signal
import sys
import time

import launcher
import pytest
from refusals import refusal

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "programs"))
from finetuning_runs import chnsenticorp, entities, reviews

PROGRAM = "scripts/reproduce.py"


@pytest.fixture(scope="module")
def flags(vocab_file, tmp_path_factory):
    """The flags of a tiny model and two toy tasks, but for the output."""
    from bert_wwm.compat import tf
    from bert_wwm.model.bert import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("reproduce")
    for task in ("chnsenticorp", "peopledaily_ner"):
        (folder / "data" / task).mkdir(parents=True)
    for seed, (split, count) in enumerate((("train", 96), ("dev", 16))):
        text = chnsenticorp(reviews(count, seed))
        (folder / "data" / "chnsenticorp" / f"{split}.tsv").write_text(text, encoding="utf-8")
        path = folder / "data" / "peopledaily_ner" / f"{split}.txt"
        path.write_text(entities(count, seed), encoding="utf-8")
    model = folder / "RBT3"
    model.mkdir()
    pieces = pathlib.Path(vocab_file).read_text(encoding="utf-8")
    (model / "vocab.txt").write_text(pieces, encoding="utf-8")
    config = {"vocab_size": len(pieces.split()), "hidden_size": 16, "num_hidden_layers": 1}
    config.update(num_attention_heads=2, intermediate_size=32, max_position_embeddings=32)
    (model / "bert_config.json").write_text(json.dumps(config))
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        config = BertConfig.from_json_file(str(model / "bert_config.json"))
        BertModel(config, False, tf.constant([[1, 2]]))
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(model / "bert_model.ckpt"), write_state=False)
    return (
        f"--models={model}",
        "--tasks=chnsenticorp,peopledaily_ner",
        f"--data_dir={folder / 'data'}",
        "--num_runs=2",
        "--program_flags=--max_seq_length=24 --train_batch_size=16 --num_train_epochs=1",
    )


def _run(*flags: str) -> str:
    """Runs the program, which takes minutes on a busy machine; returns what it prints."""
    result = launcher.start(PROGRAM, *flags).result(timeout=1800)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


def _tables(text: str, folder: pathlib.Path) -> str:
    """Returns the tables that a program has printed."""
    return re.sub(r"\nWrote .*\n$", "", text[text.index("# Results") :]).replace(str(folder), "OUT")


@pytest.mark.long
def test_the_tables_are_the_same_though_it_was_killed(flags, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    tables = _tables(_run(*flags, f"--output_dir={whole}"), whole)
    assert "## Classification of texts" in tables and "| **RBT3 (own)**" in tables
    assert tables == (whole / "report.md").read_text(encoding="utf-8").replace(str(whole), "OUT")
    for name in ("report.csv", "report.json", "report.png"):
        assert (whole / name).stat().st_size

    flags = (*flags, f"--output_dir={killed}")
    process = launcher.start(PROGRAM, *flags, new_session=True)
    log = killed / "chnsenticorp" / "RBT3" / "log.txt"
    process.wait_for("^== 1 of 2")
    while "== Seed 12346" not in (log.read_text() if log.exists() else ""):
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process = launcher.start(PROGRAM, *flags)
    process.wait_for("^== 2 of 2", timeout=1800)
    process.terminate()
    stopped = process.result()
    assert stopped.returncode == 143
    assert stopped.stderr.endswith("Run the same command again to resume\n")
    printed = _run(*flags)
    assert "== 1 of 2: chnsenticorp, RBT3\nfinished before" in printed
    assert _tables(printed, killed) == tables
    printed = _run(*flags)
    assert printed.count("finished before") == 2 and _tables(printed, killed) == tables


def test_what_is_missing_is_told_before_anything_starts(flags, tmp_path):
    out = tmp_path / "out"
    error = refusal("reproduce.py", *flags, f"--output_dir={out}", "--tasks=xnli,chnsenticorp")
    assert error.startswith("missing data: ") and "/xnli (multinli/multinli.train.zh.tsv" in error
    assert "chnsenticorp" not in error
    error = refusal("reproduce.py", *flags, f"--output_dir={out}", "--report_only")
    assert error == f"{out}: no results yet; run the same command without --report_only\n"
    error = refusal("reproduce.py", *flags, f"--output_dir={out}", "--tasks=xnil")
    assert "xnil" in error and "xnli" in error
    assert not out.exists()
