"""LTP models are found, loaded and run: nothing is cut off, nothing foreign is executed.

Words and tags are those of LTP's own pipeline.
"""

import json
import os
import pathlib
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from bert_wwm.core import files
from bert_wwm.core.errors import CheckpointError, ConfigError
from bert_wwm.segmentation import ltp
from bert_wwm.segmentation.ltp_model import Tagged

_ALL_ADVICE = (
    "--ltp_model=FOLDER",
    "scripts/train_ltp_model.py",
    "--segmenter=rjieba",
    "for English --segmenter=none",
)


@pytest.fixture
def neural_copy(neural_folder: str, tmp_path: pathlib.Path) -> pathlib.Path:
    """A neural model's folder that a test may change."""
    return pathlib.Path(shutil.copytree(neural_folder, tmp_path / "copy"))


def test_perceptron_finds_the_words_it_learned(perceptron_folder: str) -> None:
    model = ltp.load(perceptron_folder)
    assert model.words(["江泽民参观天安门。", "", "他们爱北京。"]) == [
        ["江", "泽民", "参观", "天安门", "。"],
        [],
        ["他们", "爱", "北京", "。"],
    ]
    assert model.describe()["kind"] == "perceptron"


def test_perceptron_on_one_core_finds_the_same(perceptron_folder: str) -> None:
    sentences = ["我研究语言模型。", "中国人民离开了天安门。"] * 20
    sequential = ltp.load(perceptron_folder, parallelism=False)
    assert sequential.words(sentences) == ltp.load(perceptron_folder).words(sentences)


def test_perceptron_agrees_with_ltp(perceptron_folder: str) -> None:
    import ltp as library

    sentences = ["新华社记者来到北京大学。", "他们研究 语言模型。"]
    expected = library.LTP(perceptron_folder).pipeline(sentences, tasks=["cws"]).cws
    assert ltp.load(perceptron_folder).words(sentences) == expected


def test_perceptron_tags_the_words_it_learned(perceptron_folder: str) -> None:
    model = ltp.load(perceptron_folder)
    assert model.tasks == ("cws", "pos", "ner")
    (tagged, nothing) = model.annotate(["江泽民参观天安门。", ""], ("ner", "pos"))
    assert tagged.words == ["江", "泽民", "参观", "天安门", "。"]
    assert tagged.tags == {
        "pos": ["nh", "nh", "v", "ns", "wp"],
        "ner": ["B-Nh", "E-Nh", "O", "S-Ns", "O"],
    }
    assert nothing == Tagged([], {"pos": [], "ner": []})
    assert model.annotate([], ("pos",)) == []


@pytest.mark.parametrize("tasks", [(), ("pos",), ("ner",), ("pos", "ner")])
def test_perceptron_tags_agree_with_ltp(perceptron_folder: str, tasks: list[str]) -> None:
    import ltp as library

    sentences = ["新华社记者来到北京大学。", "他们研究 语言模型。", "１９９８年的 春天", "a b\x00"]
    expected = library.LTP(perceptron_folder).pipeline(
        sentences, tasks=["cws", "pos", "ner"], raw_format=True
    )
    for parallelism in (True, False):
        model = ltp.load(perceptron_folder, parallelism=parallelism)
        tagged = model.annotate(sentences, tasks)
        assert [one.words for one in tagged] == expected.cws == model.words(sentences)
        assert [one.tags for one in tagged] == [
            {task: expected[task][number] for task in tasks} for number in range(len(sentences))
        ]


def test_perceptron_files_of_tags_are_loaded_when_needed(
    perceptron_folder: str, tmp_path: pathlib.Path
) -> None:
    copy = pathlib.Path(shutil.copytree(perceptron_folder, tmp_path / "copy"))
    (copy / "ner_model.bin").unlink()
    content = (copy / "pos_model.bin").read_bytes()
    (copy / "pos_model.bin").write_bytes(content[: len(content) // 2])
    model = ltp.load(str(copy))
    assert model.words(["他们爱北京。"]) == [["他们", "爱", "北京", "。"]]
    with pytest.raises(CheckpointError, match=r"pos_model\.bin: damaged"):
        model.annotate(["他们爱北京。"], ("pos",))
    with pytest.raises(CheckpointError, match=r"pos_model\.bin: damaged"):
        model.tag_files(("pos",))
    (copy / "pos_model.bin").write_bytes(content)
    assert model.annotate(["他们爱北京。"], ("pos",))[0].tags == {"pos": ["r", "v", "ns", "wp"]}
    with pytest.raises(CheckpointError, match=r"ner_model\.bin: missing"):
        model.annotate(["他们爱北京。"], ("ner",))


def test_perceptron_names_its_files(perceptron_folder: str) -> None:
    model = ltp.load(perceptron_folder)
    assert set(model.describe()) == {"kind", "sha256", "ltp_extension"}
    hashes = {
        name: files.sha256(os.path.join(perceptron_folder, name))
        for name in ("pos_model.bin", "ner_model.bin")
    }
    assert model.tag_files(()) == {}
    assert model.tag_files(("pos",)) == {"pos_model.bin": hashes["pos_model.bin"]}
    assert model.tag_files(("ner",)) == hashes


@pytest.mark.parametrize(
    ("tasks", "asked", "message"),
    [
        ({}, "dep", "'dep'; it offers pos, ner"),
        ({}, "cws", "'cws'; it offers pos, ner"),
        ({"ner": None}, "ner", "'ner'; it offers pos"),
        ({"pos": None}, "ner", "'ner'; it offers none"),  # Names are found by parts of speech.
    ],
)
def test_tags_that_a_perceptron_lacks_are_told(
    perceptron_folder: str, tmp_path: pathlib.Path, tasks: Any, asked: str, message: str
) -> None:
    copy = pathlib.Path(shutil.copytree(perceptron_folder, tmp_path / "copy"))
    _change_config(copy, lambda config: config["tasks"].update(tasks))
    model = ltp.load(str(copy))
    for method in (lambda: model.annotate(["我"], (asked,)), lambda: model.tag_files((asked,))):
        with pytest.raises(ConfigError, match=message) as caught:
            method()
        assert str(copy) in str(caught.value)


def test_neural_agrees_with_ltp(neural_folder: str) -> None:
    import ltp as library

    sentences = ["我爱北京天安门。", "他们 abc 的\x00一", "我"]
    expected = library.LTP(neural_folder).pipeline(sentences, tasks=["cws"]).cws
    model = ltp.load(neural_folder)
    assert model.words(sentences) == expected
    assert model.describe()["kind"] == "neural"


def test_neural_reads_safetensors(neural_folder: str, neural_copy: pathlib.Path) -> None:
    import safetensors.torch as safetensors
    import torch

    pickled = neural_copy / "pytorch_model.bin"
    weights = torch.load(pickled, weights_only=True)
    safetensors.save_file(weights, neural_copy / "model.safetensors")
    pickled.unlink()
    sentences = ["我爱北京天安门。"]
    assert ltp.load(str(neural_copy)).words(sentences) == ltp.load(neural_folder).words(sentences)


@pytest.mark.parametrize(
    "sentence",
    [
        "我爱北京，" * 300,
        "我们的天安门" * 400,  # Nothing to cut at.
        "abc " * 700,
        "abcde012" * 100,  # One Latin word, too long for the tokenizer.
        "a b" * 400 + "。" + "我" * 600,
        "é" * 2000,
    ],
    ids=["commas", "no mark", "spaces", "long word", "mixed", "accents"],
)
def test_neural_cuts_nothing_off(neural_folder: str, sentence: str) -> None:
    model = ltp.load(neural_folder)
    (words,) = model.words([sentence])
    assert "".join(words) == sentence


def test_neural_cuts_long_sentences_at_marks(neural_folder: str) -> None:
    model = ltp.load(neural_folder)
    sentence = "我爱北京，" * 30 + "我爱北京。"  # 155 tokens.
    (whole,) = model.words([sentence])
    (words,) = model.words([sentence * 7])
    # 510 tokens hold three of the seven, each run of three ends at a full stop.
    (three,) = model.words([sentence * 3])
    assert words == three + three + whole


def test_neural_batch_does_not_matter(neural_folder: str) -> None:
    model = ltp.load(neural_folder)
    sentences = ["我爱北京，" * count for count in (0, 1, 7, 90, 150)]
    assert model.words(sentences) == [model.words([sentence])[0] for sentence in sentences]


@pytest.mark.parametrize("tasks", [(), ("pos",), ("ner",), ("dep",), ("dep", "ner", "pos")])
def test_neural_tags_agree_with_ltp(neural_folder: str, tasks: list[str]) -> None:
    import ltp as library

    sentences = ["我爱北京天安门。", "他们 abc 的\x00一", "我", "天安门，我爱北京" * 20]
    expected = library.LTP(neural_folder).pipeline(
        sentences, tasks=["cws", "pos", "ner", "dep"], raw_format=True
    )
    expected["dep"] = [tree["label"] for tree in expected.dep]
    model = ltp.load(neural_folder)
    assert model.tasks == ("cws", "pos", "ner", "dep")
    tagged = model.annotate(sentences, tasks)
    assert [one.words for one in tagged] == expected.cws == model.words(sentences)
    assert [one.tags for one in tagged] == [
        {task: expected[task][number] for task in tasks} for number in range(len(sentences))
    ]


def test_neural_tags_nothing_where_it_sees_nothing(neural_folder: str) -> None:
    model = ltp.load(neural_folder)
    tasks = ("pos", "ner", "dep")
    nothing = Tagged([], {task: [] for task in tasks})
    assert model.annotate([], tasks) == []
    assert model.annotate(["", " ", "\x00\u200b"], tasks) == [nothing] * 3
    between = model.annotate(["", "我爱北京", "\x00"], tasks)
    assert between == [nothing, *model.annotate(["我爱北京"], tasks), nothing]


def test_neural_tags_long_sentences_part_by_part(neural_folder: str) -> None:
    model = ltp.load(neural_folder)
    tasks = ("pos", "ner", "dep")
    sentence = "我爱北京，" * 30 + "我爱北京。"
    (whole,) = model.annotate([sentence], tasks)
    (three,) = model.annotate([sentence * 3], tasks)
    (seven,) = model.annotate([sentence * 7], tasks)
    assert seven.words == three.words * 2 + whole.words
    for task in tasks:
        assert seven.tags[task] == three.tags[task] * 2 + whole.tags[task]


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_neural_batch_size_does_not_matter(neural_folder: str, batch_size: int) -> None:
    tasks = ("pos", "ner", "dep")
    sentences = ["我爱北京，" * count for count in (9, 0, 1, 150, 2, 30)]
    tagged = ltp.load(neural_folder, batch_size=batch_size).annotate(sentences, tasks)
    assert tagged == ltp.load(neural_folder, device="cpu").annotate(sentences, tasks)
    for one in tagged:
        assert all(len(one.tags[task]) == len(one.words) for task in tasks)


def test_neural_names_its_files(neural_folder: str) -> None:
    model = ltp.load(neural_folder)
    assert set(model.describe()) == {"kind", "sha256", "ltp"}
    config = os.path.join(neural_folder, "config.json")
    assert model.tag_files(("pos", "dep")) == {"config.json": files.sha256(config)}


@pytest.mark.parametrize("part", ["heads", "processor", "vocabs"])
def test_tags_that_a_neural_model_lacks_are_told(neural_copy: pathlib.Path, part: str) -> None:
    def change(config: Any) -> None:
        (config if part == "vocabs" else config["model"])[part].pop("dep")

    _change_config(neural_copy, change)
    model = ltp.load(str(neural_copy))
    assert model.tasks == ("cws", "pos", "ner")
    with pytest.raises(ConfigError, match="'dep'; it offers pos, ner"):
        model.annotate(["我"], ("pos", "dep"))


def test_neural_without_segmentation_is_told(neural_copy: pathlib.Path) -> None:
    _change_config(neural_copy, lambda config: config["model"]["heads"].pop("cws"))
    with pytest.raises(ConfigError, match="no word segmentation"):
        ltp.load(str(neural_copy))


@pytest.mark.parametrize("device", ["cuda:99", "meta", "graphics card", ""])
def test_devices_that_are_not_there_are_told(neural_folder: str, device: str) -> None:
    with pytest.raises(ConfigError, match=f"can't use the device '{device}'"):
        ltp.load(neural_folder, device=device)


def test_neural_can_be_held_to_one_core(
    neural_folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    calls: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", calls.append)
    ltp.load(neural_folder)
    assert calls == []
    ltp.load(neural_folder, parallelism=False)
    assert calls == [1]


def test_empty_batches_are_told(perceptron_folder: str) -> None:
    with pytest.raises(ConfigError, match="batch size 0"):
        ltp.load(perceptron_folder, batch_size=0)


def _change_config(folder: pathlib.Path, change: Callable[[Any], None]) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    change(config)
    path.write_text(json.dumps(config), encoding="utf-8")


class _Touch:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_pickles_are_not_run(neural_copy: pathlib.Path, tmp_path: pathlib.Path) -> None:
    import torch

    trap = tmp_path / "trap"
    torch.save({"weight": _Touch(str(trap))}, neural_copy / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="not the weights"):
        ltp.load(str(neural_copy))
    (neural_copy / "pytorch_model.bin").write_bytes(pickle.dumps(_Touch(str(trap))))
    with pytest.raises(CheckpointError, match="not the weights"):
        ltp.load(str(neural_copy))
    assert not trap.exists()


@pytest.mark.parametrize(
    "target",
    ["os.mkdir", "ltp_core.models.utils.instantiate.importlib.import_module", "transformers.x"],
)
def test_foreign_functions_are_not_called(
    neural_copy: pathlib.Path, tmp_path: pathlib.Path, target: str
) -> None:
    trap = tmp_path / "trap"

    def change(config: Any) -> None:
        config["model"]["processor"]["more"] = [{"_ltp_target_": target, "path": str(trap)}]

    _change_config(neural_copy, change)
    with pytest.raises(ConfigError, match="none of LTP's model classes"):
        ltp.load(str(neural_copy))
    assert not trap.exists()


def test_missing_weights_are_told(neural_copy: pathlib.Path) -> None:
    import torch

    path = neural_copy / "pytorch_model.bin"
    weights = torch.load(path, weights_only=True)
    lost = next(name for name in weights if name.startswith("task_heads"))
    del weights[lost]
    weights["backbone.embeddings.position_ids"] = torch.arange(512)  # As older versions write.
    torch.save(weights, path)
    with pytest.raises(CheckpointError, match=f"1 weights are missing, among them {lost}"):
        ltp.load(str(neural_copy))
    path.unlink()
    with pytest.raises(CheckpointError, match="No such file"):
        ltp.load(str(neural_copy))


def test_impossible_neural_config_is_told(neural_copy: pathlib.Path) -> None:
    _change_config(neural_copy, lambda config: config["model"]["heads"]["cws"].pop("num_labels"))
    with pytest.raises(ConfigError, match="can't build"):
        ltp.load(str(neural_copy))


def test_missing_torch_is_told(neural_copy: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ConfigError, match=r"pip install -e '\.\[ltp-neural\]'"):
        ltp.load(str(neural_copy))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", ":1: broken at column 2"),
        ("[]", "not a model of LTP 4"),
        ('{"model_type": "bert"}', "not a model of LTP 4"),
        ('{"nerual": false, "tasks": {"pos": "pos_model.bin"}}', "no word segmentation"),
    ],
)
def test_other_configs_are_told(tmp_path: pathlib.Path, config: str, message: str) -> None:
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        ltp.load(str(tmp_path))


def test_broken_perceptrons_are_told(perceptron_folder: str, tmp_path: pathlib.Path) -> None:
    copy = pathlib.Path(shutil.copytree(perceptron_folder, tmp_path / "copy"))
    path = copy / "cws_model.bin"
    content = path.read_bytes()
    for broken in (content[: len(content) // 2], b"", b"Obj\x01", b"text" * 100):
        path.write_bytes(broken)
        with pytest.raises(CheckpointError, match=r"cws_model\.bin"):
            ltp.load(str(copy))
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 99\n"
    path.write_bytes(pointer)
    with pytest.raises(CheckpointError, match=r"cws_model\.bin: a Git LFS pointer"):
        ltp.load(str(copy))
    path.unlink()
    with pytest.raises(CheckpointError, match="missing"):
        ltp.load(str(copy))


def test_a_folder_whose_name_is_not_utf8_is_told(
    perceptron_folder: str, tmp_path: pathlib.Path
) -> None:
    copy = shutil.copytree(perceptron_folder, str(tmp_path / os.fsdecode(b"\xd6\xd0")))
    with pytest.raises(ConfigError, match="is not UTF-8; LTP expects"):
        ltp.load(copy)
    copy = shutil.copytree(perceptron_folder, str(tmp_path / "中文"))
    assert ltp.load(copy).words(["他们爱北京。"]) == [["他们", "爱", "北京", "。"]]


def test_folder_without_config_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.json: no such file"):
        ltp.load(str(tmp_path))


def _assert_all_advice(message: str) -> None:
    for advice in _ALL_ADVICE:
        assert advice in message


@pytest.mark.parametrize("model", ["no/such/folder", "/no/such", "folder", "", "a b/c"])
def test_what_is_no_hub_id_is_not_looked_up(model: str) -> None:
    with pytest.raises(ConfigError, match="no such folder") as caught:
        ltp.load(model)
    _assert_all_advice(str(caught.value))


def _load_offline(model: str, cache: pathlib.Path) -> "subprocess.CompletedProcess[str]":
    """Segments in a process whose hub is offline and whose cache is ``cache``."""
    code = (
        "import sys\n"
        "from bert_wwm.core.errors import ConfigError\n"
        "from bert_wwm.segmentation import segmenters\n"
        "segmenter = segmenters.make_segmenter('ltp', sys.argv[1])\n"
        "try:\n"
        "    print(segmenter.segment(['他们爱北京。']))\n"
        "except ConfigError as error:\n"
        "    print(error)\n"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache)}
    return subprocess.run(
        [sys.executable, "-c", code, model],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )


def test_unreachable_hub_is_told(tmp_path: pathlib.Path) -> None:
    message = _load_offline("LTP/legacy", tmp_path).stdout
    assert "LTP model 'LTP/legacy'" in message
    assert "nor can the hub give it" in message
    _assert_all_advice(message)


def test_cached_hub_models_need_no_hub(perceptron_folder: str, tmp_path: pathlib.Path) -> None:
    repository = tmp_path / "models--LTP--legacy"
    commit = "0123456789012345678901234567890123456789"
    shutil.copytree(perceptron_folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit, encoding="utf-8")
    found = _load_offline("LTP/legacy", tmp_path).stdout
    assert found.strip() == "[[(0, 2), (2, 3), (3, 5), (5, 6)]]"


def test_files_of_tags_come_from_the_hub_when_needed(
    perceptron_folder: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub as hub

    snapshot = tmp_path / "snapshots" / "0123456789012345678901234567890123456789"
    snapshot.mkdir(parents=True)
    for name in ("config.json", "cws_model.bin"):
        shutil.copy(os.path.join(perceptron_folder, name), snapshot)
    downloads: list[str] = []

    def download(model: str, name: str, revision: str = "", **_: Any) -> str:
        if not (snapshot / name).exists():
            assert (model, revision) == ("LTP/legacy", snapshot.name)
            if len(downloads) == 1:
                raise OSError("unreachable")
            downloads.append(name)
            shutil.copy(os.path.join(perceptron_folder, name), snapshot)
        return str(snapshot / name)

    monkeypatch.setattr(hub, "hf_hub_download", download)
    model = ltp.load("LTP/legacy")
    assert model.words(["他们爱北京。"]) == [["他们", "爱", "北京", "。"]]
    assert downloads == []
    model.annotate(["他们爱北京。"], ("pos",))
    assert downloads == ["pos_model.bin"]
    with pytest.raises(ConfigError, match=r"ner_model\.bin isn't in the cache") as caught:
        model.annotate(["他们爱北京。"], ("ner",))
    _assert_all_advice(str(caught.value))
