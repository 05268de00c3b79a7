"""The program that trains LTP models, as users run it."""

import os
import pathlib

import launcher
from refusals import refusal

_LINES = "我/r 爱/v 北京/ns 。/w\n他/r 来到/v 天安门/ns 。/w\n" * 20


def test_trains_a_folder(tmp_path: pathlib.Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(_LINES, encoding="utf-8")
    output = tmp_path / "model"
    ran = launcher.run(
        "scripts/train_ltp_model.py",
        f"--input_file={tmp_path}/*.txt",
        f"--output_dir={output}",
        "--tasks=cws,ner",
        "--num_epochs=2",
        "--heldout_fraction=0.1",
    )
    assert ran.stderr == ""
    assert "80 sentences, 320 words" in ran.stdout
    assert "training on 72 sentences, 8 held out, 2 epochs" in ran.stdout
    assert "f1 100.00" in ran.stdout
    assert f"--ltp_model={output}" in ran.stdout
    assert "epoch:" not in ran.stdout  # What the trainer itself prints.
    assert sorted(os.listdir(output)) == ["config.json", "cws_model.bin", "ner_model.bin"]


def test_bad_text_ends_in_one_sentence(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("我/r\n我 爱/v\n", encoding="utf-8")
    flags = (f"--input_file={path}", f"--output_dir={tmp_path}/model")
    error = refusal("train_ltp_model.py", *flags)
    assert error == f"{path}:2: token 1 is '我'; expected word/tag\n"
    assert not (tmp_path / "model").exists()
