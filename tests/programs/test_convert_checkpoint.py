"""The program that converts models, as users run it."""

import json
import os
import shutil
import zipfile

import launcher
import numpy as np
import pytest

from bert_wwm.compat import tf
from bert_wwm.convert import google_folder, hugging_face, names, safetensors_file
from bert_wwm.convert.pretrained import AddedToken, Pretrained
from bert_wwm.core.errors import ToolkitError
from bert_wwm.model import checkpoint_path
from bert_wwm.tasks.kinds import KINDS

PIECES = [*"[PAD] [unused1] [unused2] [UNK] [CLS] [SEP] [MASK]".split(), *"中国人民大家好ab"]
CONFIG = {
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 8,
    "initializer_range": 0.02,
    "intermediate_size": 12,
    "max_position_embeddings": 16,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
    "vocab_size": len(PIECES),
}
HEADS = [names.ENCODER, names.POOLER, names.MASKED_LM, names.PAIR]
PROGRAM = "convert_checkpoint.py"
LERT = "cls/predictions/output_pos_layer/kernel"


def make(parts=HEADS, num_classes=0):
    rng = np.random.default_rng(11)
    shapes = names.variables(CONFIG, parts, num_classes)
    tensors = {n: rng.normal(size=shape).astype(np.float32) for n, shape in shapes.items()}
    return Pretrained(tensors, dict(CONFIG), list(PIECES))


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    """A training's folder: a checkpoint with a head of LERT's and the optimizer's state."""
    folder = tmp_path_factory.mktemp("release")
    model = make()
    model.tensors[LERT] = np.ones([8, 28], np.float32)
    model.optimizer_state = {
        **{f"{name}/adam_m": tensor for name, tensor in make().tensors.items()},
        **{f"{name}/adam_v": tensor for name, tensor in make().tensors.items()},
        "global_step": np.array(5, np.int64),
    }
    google_folder.write_folder(str(folder), model)
    return folder


@pytest.fixture(scope="session")
def exported(release, tmp_path_factory):
    """The same as a Hugging Face folder, and what the program printed."""
    folder = tmp_path_factory.mktemp("exported") / "hfl" / "chinese-roberta"
    prefix = f"--tf_checkpoint={release}/bert_model.ckpt"
    return folder, launcher.run(PROGRAM, "to_hf", prefix, f"--output_dir={folder}").stdout


def weights(folder):
    return google_folder.read_checkpoint(str(folder / "bert_model.ckpt"))


def same(one, other):
    assert one.keys() == other.keys()
    assert all(tensor.tobytes() == other[name].tobytes() for name, tensor in one.items())


def table(output):
    """The counts of the table by their titles."""
    rows = [line[2:].rsplit(None, 1) for line in output.splitlines() if line[2:3].strip()]
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def test_there_and_back(release, exported, tmp_path):
    folder, printed = exported
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tf_heads.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    count = len(make().tensors)
    assert f"-> {folder}: a BertForPreTraining" in printed
    assert table(printed) == {
        "converted": count,
        "kept in another file": 1,
        "skipped": 2 * count + 1,
        "made up": 0,
    }
    assert "    bert/encoder/layer_1/* -> bert.encoder.layer.1.* (16)\n" in printed
    assert f"    {LERT}\n" in printed
    assert f"{2 * count + 1} variables: the optimizer's, no weights" in printed
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "bert" and config["hidden_act"] == "gelu"
    assert list(safetensors_file.read(str(folder / "tf_heads.safetensors"))) == [LERT]

    back = tmp_path / "back"
    printed = launcher.run(PROGRAM, "to_tf", f"--hf_model={folder}", f"--output_dir={back}").stdout
    assert table(printed) == {"converted": count + 1, "skipped": 0, "made up": 0}
    assert os.listdir(tmp_path) == ["back"]
    found, state = weights(back)
    same(found, weights(release)[0])
    assert not state
    assert json.loads((back / "bert_config.json").read_text()) == CONFIG
    assert "the code of google-research/bert would compute the tanh form" in printed
    assert (back / "vocab.txt").read_bytes() == (release / "vocab.txt").read_bytes()
    mode = (back / "vocab.txt").stat().st_mode & 0o777
    assert mode == (back / "bert_model.ckpt.index").stat().st_mode & 0o777


def test_the_tanh_form(release, tmp_path):
    source = f"--tf_checkpoint={release}/bert_model.ckpt"
    launcher.run(PROGRAM, "to_hf", source, "--gelu=tanh", f"--output_dir={tmp_path / 'hf'}")
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    assert config["hidden_act"] == "gelu_new"
    launcher.run(PROGRAM, "to_tf", source, "--gelu=tanh", f"--output_dir={tmp_path / 'tf'}")
    values = json.loads((tmp_path / "tf" / "bert_config.json").read_text())
    assert values == {**CONFIG, "hidden_act": "gelu_new"}


def test_taking_the_optimizer_out(release, tmp_path):
    """It stays unless told otherwise, and is two thirds of the bytes."""
    sizes = []
    for extra in ([], ["--weights_only"]):
        out = tmp_path / f"out{len(extra)}"
        source = f"--tf_checkpoint={release}/bert_model.ckpt"
        printed = launcher.run(PROGRAM, "to_tf", source, f"--output_dir={out}", *extra).stdout
        found, state = weights(out)
        same(found, weights(release)[0])
        if not extra:
            same(state, weights(release)[1])
            assert table(printed)["optimizer's, kept"] == len(state)
        assert bool(state) == (not extra)
        assert (out / "bert_config.json").read_bytes() == (
            release / "bert_config.json"
        ).read_bytes()
        sizes.append((out / "bert_model.ckpt.data-00000-of-00001").stat().st_size)
    assert sizes[1] < 0.37 * sizes[0]


def test_from_an_archive(release, exported, tmp_path):
    path = tmp_path / "chinese_lert_L-2_H-8_A-2.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for end in ("index", "data-00000-of-00001"):
            archive.write(release / f"bert_model.ckpt.{end}", f"lert/lert_model.ckpt.{end}")
        archive.write(release / "bert_config.json", "lert/lert_config.json")
        archive.write(release / "vocab.txt", "lert/vocab.txt")
    out = tmp_path / "hf"
    launcher.run(PROGRAM, "to_hf", f"--tf_checkpoint={path}", f"--output_dir={out}")
    for name in os.listdir(exported[0]):
        assert (out / name).read_bytes() == (exported[0] / name).read_bytes()


def test_an_archive_for_pytorch(exported, tmp_path):
    """Given to the flag for TensorFlow's, it is told which one takes it."""
    import torch

    tensors = safetensors_file.read(str(exported[0] / "model.safetensors"))
    state = {f"module.{name}": torch.tensor(np.array(tensor)) for name, tensor in tensors.items()}
    torch.save(state, tmp_path / "pytorch_model.bin")
    path = tmp_path / "chinese_x_pytorch.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(tmp_path / "pytorch_model.bin", "chinese_x/pytorch_model.bin")
        archive.write(exported[0] / "config.json", "chinese_x/bert_config.json")
        archive.write(exported[0] / "vocab.txt", "chinese_x/vocab.txt")
    out = tmp_path / "tf"
    to_tf = (PROGRAM, "to_tf", f"--output_dir={out}")
    refused = launcher.run(*to_tf, f"--tf_checkpoint={path}", status=1).stderr
    assert f"--tf_checkpoint={path}: holds chinese_x/pytorch_model.bin, weights of" in refused
    assert refused.endswith(f"expected --hf_model={path}\n")
    printed = launcher.run(*to_tf, f"--hf_model={path}").stdout
    assert f"note: the prefix module. was removed from the names of {len(state)} ten" in printed
    same(weights(out)[0], make().tensors)


def test_a_training_of_this_toolkit(trained, bert_config, vocab_file, tmp_path):
    """Its folder, from which files beside the checkpoint are lacking; and masks are filled."""
    import transformers

    folder = f"--tf_checkpoint={trained[0]}"
    flags = f"--bert_config_file={bert_config()}", f"--vocab_file={vocab_file}"
    out = tmp_path / "hf"
    assert "has no bert_config.json beside it; expected --bert_config_file" in (
        launcher.run(PROGRAM, "to_hf", folder, f"--output_dir={out}", status=1).stderr
    )
    assert not out.exists()
    launcher.run(PROGRAM, "to_hf", folder, *flags, f"--output_dir={out}")
    fill = transformers.pipeline("fill-mask", str(out), device="cpu")
    text = "使用语言[MASK]型来预测下一个词的概率。"
    ours = launcher.run(
        "scripts/fill_mask.py",
        f"--init_checkpoint={trained[0]}",
        *flags,
        f"--text={text}",
        "--num_candidates=1",
    ).stdout
    assert fill(text)[0]["token_str"] in ours


def test_new_words(release, exported, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("鑫\n曌\n淼\n", encoding="utf-8")
    source = f"--hf_model={exported[0]}"
    add = f"--add_tokens={words}"
    printed = launcher.run(PROGRAM, "to_hf", source, add, f"--output_dir={tmp_path / 'hf'}").stdout
    assert "鑫 -> 1" in printed and f"淼 -> {len(PIECES)}" in printed
    model = hugging_face.read_folder(str(tmp_path / "hf"))
    assert model.vocabulary == [
        *("鑫" if p == "[unused1]" else "曌" if p == "[unused2]" else p for p in PIECES),
        "淼",
    ]
    assert model.tensors["bert/embeddings/word_embeddings"].shape == (len(PIECES) + 1, 8)

    source = f"--tf_checkpoint={release}/bert_model.ckpt"
    out = f"--output_dir={tmp_path / 'tf'}"
    refused = launcher.run(PROGRAM, "to_tf", source, add, "--noreuse_unused", out, status=1).stderr
    assert "expected --weights_only" in refused
    launcher.run(PROGRAM, "to_tf", source, add, "--noreuse_unused", "--weights_only", out)
    found, _ = weights(tmp_path / "tf")
    assert found["cls/predictions/output_bias"].shape == (len(PIECES) + 3,)


def test_to_paddle(exported, tmp_path):
    out = tmp_path / "paddle"
    printed = launcher.run(
        PROGRAM, "to_paddle", f"--hf_model={exported[0]}", f"--output_dir={out}"
    ).stdout
    assert "PaddleNLP's BertForPretraining" in printed
    assert table(printed)["converted"] == len(make().tensors)
    assert table(printed)["skipped"] == 1
    assert LERT in printed
    assert (out / "model_state.pdparams").stat().st_size > 4000


@pytest.mark.parametrize("kind", ["sentence", "tagging", "choice"])
def test_a_fine_tuned_model(tmp_path, kind):
    """What its run's record says; the best weights lie in a folder of their own."""
    import transformers

    has_labels = kind != "choice"  # whose head gives each choice one score
    parts = [names.ENCODER, names.POOLER, names.CLASSIFIER]
    model = make(parts, num_classes=3 if has_labels else 1)
    google_folder.write_folder(str(tmp_path / "run" / "best"), model)
    (tmp_path / "run" / "run.json").write_text(json.dumps({"settings": {"kind": kind}}))
    if has_labels:
        labels = '["好 ", "\u3000坏", "中"]'
        (tmp_path / "run" / "labels.json").write_text(labels, encoding="utf-8")
    source = f"--tf_checkpoint={tmp_path / 'run'}"
    launcher.run(PROGRAM, "to_hf", source, f"--output_dir={tmp_path / 'hf'}")
    auto = {
        "sentence": transformers.AutoModelForSequenceClassification,
        "tagging": transformers.AutoModelForTokenClassification,
        "choice": transformers.AutoModelForMultipleChoice,
    }[kind].from_pretrained(tmp_path / "hf")
    assert auto.config.architectures == [KINDS[kind].hugging_face]
    if has_labels:
        assert auto.config.id2label == {0: "好", 1: "坏", 2: "中"}
    assert (auto.classifier.weight.detach().numpy() == model.tensors["output_weights"]).all()


def test_what_would_be_made_up(tmp_path):
    """A masked LM of Hugging Face's has no pooler, and needs none."""
    hugging_face.write_folder(str(tmp_path / "hf"), make([names.ENCODER, names.MASKED_LM]))
    printed = launcher.run(
        PROGRAM, "to_tf", f"--hf_model={tmp_path / 'hf'}", f"--output_dir={tmp_path / 'without'}"
    ).stdout
    assert table(printed)["made up"] == 0
    assert "there is no pooler" in printed and "--allow_random_init=bert/pooler" in printed
    assert not [name for name in weights(tmp_path / "without")[0] if "pooler" in name]
    shutil.rmtree(tmp_path / "without")

    pair = names.variables(CONFIG, [names.PAIR])
    tensors = dict(safetensors_file.read(str(tmp_path / "hf" / "model.safetensors")))
    tensors.update(
        (names.to_hugging_face(name), np.zeros(shape, np.float32)) for name, shape in pair.items()
    )
    safetensors_file.write(str(tmp_path / "hf" / "model.safetensors"), tensors)
    source, out = f"--hf_model={tmp_path / 'hf'}", tmp_path / "tf"
    refused = launcher.run(PROGRAM, "to_tf", source, f"--output_dir={out}", status=1).stderr
    assert "lacks bert/pooler/dense/kernel" in refused and "--nostrict" in refused
    assert os.listdir(tmp_path) == ["hf"]
    printed = launcher.run(PROGRAM, "to_tf", source, f"--output_dir={out}", "--nostrict").stdout
    assert table(printed)["made up"] == 2
    assert "    bert/pooler/dense/kernel\n    bert/pooler/dense/bias\n" in printed
    first = weights(out)[0]
    launcher.run(PROGRAM, "to_tf", source, f"--output_dir={out}", "--nostrict", "--overwrite")
    same(weights(out)[0], first)
    with tf.Graph().as_default():
        tf.train.NewCheckpointReader(str(out / "bert_model.ckpt"))


def test_a_masked_lm_without_a_pooler_is_trained_on(
    pretrain, trained, bert_config, vocab_file, tmp_path
):
    model = google_folder.read(checkpoint_path.resolve(str(trained[0])), bert_config(), vocab_file)
    for name in [name for name in model.tensors if "pooler" in name or "seq_rel" in name]:
        del model.tensors[name]
    hugging_face.write_folder(str(tmp_path / "hf"), model)
    out = tmp_path / "tf"
    launcher.run(PROGRAM, "to_tf", f"--hf_model={tmp_path / 'hf'}", f"--output_dir={out}")
    source = f"--init_checkpoint={out / 'bert_model.ckpt'}"
    flags = "--do_train", "--num_train_steps=10", source, "--nosentence_pair_loss"
    error = pretrain(tmp_path / "m", *flags, status=1).stderr
    assert "lacks 2 variables of the encoder" in error and "bert/pooler/dense/kernel" in error
    printed = pretrain(tmp_path / "m", *flags, "--allow_random_init=bert/pooler").stdout
    assert "from initialisers            2\n    bert/pooler/dense/kernel\n" in printed
    assert "step 10/10" in printed


def test_a_run_without_the_flags_of_its_training(tmp_path):
    model = make([names.ENCODER, names.POOLER, names.CLASSIFIER], num_classes=3)
    google_folder.write_folder(str(tmp_path / "run" / "best"), model)
    settings = {"kind": "sentence", "gelu": "tanh", "do_lower_case": False}
    (tmp_path / "run" / "run.json").write_text(json.dumps({"settings": settings}))
    source = f"--tf_checkpoint={tmp_path / 'run' / 'best' / 'bert_model.ckpt'}"
    to_hf = (PROGRAM, "to_hf", source, f"--output_dir={tmp_path / 'hf'}")
    for flag in ("--gelu=erf", "--do_lower_case=true"):
        refused = launcher.run(*to_hf, flag, status=1).stderr
        assert f"error: {flag}: " in refused and "was fine-tuned with" in refused
    launcher.run(*to_hf, "--gelu=tanh")
    assert json.loads((tmp_path / "hf" / "config.json").read_text())["hidden_act"] == "gelu_new"
    tokenizer = json.loads((tmp_path / "hf" / "tokenizer_config.json").read_text())
    assert tokenizer["do_lower_case"] is False


def test_added_tokens_are_told(tmp_path):
    model = make()
    model.vocabulary[-2:] = ["[E1]", "ab"]
    options = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    model.added_tokens = {token: AddedToken(options, False) for token in ("[E1]", "ab")}
    hugging_face.write_folder(str(tmp_path / "hf"), model)
    source = f"--hf_model={tmp_path / 'hf'}"
    for command in ("to_tf", "to_paddle"):
        out = tmp_path / command
        printed = launcher.run(PROGRAM, command, source, f"--output_dir={out}").stdout
        assert "the tokenizer of the output never finds in a text: '[E1]'\n" in printed
        assert "added tokens that are pieces now, found as words: 'ab'\n" in printed
        assert (out / "vocab.txt").read_text(encoding="utf-8").endswith("\n[E1]\nab\n")


FLAGS = [
    (["to_hf"], "expected either --tf_checkpoint or --hf_model"),
    (["to_hf", "--hf_model=a", "--tf_checkpoint=b"], "expected either"),
    (["to_tf", "--hf_model=a", "--vocab_file=v"], "--vocab_file: describes the model of"),
    (["to_tf", "--hf_model=a", "--gelu=erf"], "--gelu: describes the model of"),
    (["to_tf", "--hf_model=a", "--weights_only"], "--weights_only: is for to_tf with"),
    (["to_hf", "--tf_checkpoint=a", "--weights_only"], "--weights_only: is for to_tf with"),
    (["to_hf", "--hf_model=a", "--reuse_unused"], "--reuse_unused needs --add_tokens"),
    (["--hf_model=a"], "expected one of to_hf, to_tf, to_paddle"),
    (["to_onnx", "--hf_model=a"], "expected one of to_hf, to_tf, to_paddle"),
    (["to_hf", "to_tf", "--hf_model=a"], "unexpected argument 'to_tf'"),
    (["to_hf", "--hf_model=./no/such"], "./no/such: no such folder"),
    (["to_hf", "--hf_model=no/such"], "no/such: no such folder, and"),
    (["to_tf", "--tf_checkpoint=no/such.zip"], "no/such.zip: no such file"),
]


@pytest.mark.parametrize("flags, message", FLAGS)
def test_wrong_flags(tmp_path, flags, message):
    result = launcher.run(PROGRAM, *flags, f"--output_dir={tmp_path / 'out'}", status=1)
    assert message in result.stderr + result.stdout
    assert not list(tmp_path.iterdir())


def break_header(folder):
    (folder / "model.safetensors").write_bytes(b"\xff" * 50)


def cut(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


def empty_weights(folder):
    (folder / "model.safetensors").write_bytes(b"")


def empty_config(folder):
    (folder / "config.json").write_bytes(b"")


def empty_vocabulary(folder):
    (folder / "vocab.txt").write_bytes(b"")


def no_special_pieces(folder):
    (folder / "vocab.txt").write_text("\n".join("abcdef"))


def everything_gone(folder):
    for path in folder.iterdir():
        path.unlink()


def a_roberta(folder):
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"bert"', '"roberta"'))


def other_sizes(folder):
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"intermediate_size": 12', '"intermediate_size": 16'))


def broken_side_file(folder):
    (folder / "tf_heads.safetensors").write_bytes(b"x" * 40)


@pytest.mark.parametrize(
    "damage, message",
    [
        (break_header, "no file of safetensors"),
        (cut, "model.safetensors: is cut short"),
        (empty_weights, "model.safetensors: is empty"),
        (empty_config, "config.json:1: broken at column 1"),
        (empty_vocabulary, "vocab.txt: is empty"),
        (no_special_pieces, "vocab.txt: lacks [PAD]"),
        (everything_gone, "config.json: no such file"),
        (a_roberta, "a model of type roberta; expected bert"),
        (other_sizes, "the weights don't fit the configuration: bert/encoder/layer_0/interm"),
        (broken_side_file, "tf_heads.safetensors: is cut short, or no file of safetensors"),
    ],
)
def test_broken_input(exported, tmp_path, damage, message):
    folder = tmp_path / "hf"
    shutil.copytree(exported[0], folder)
    damage(folder)
    with pytest.raises(ToolkitError) as caught:
        hugging_face.read_folder(str(folder))
    text = str(caught.value)
    assert text.startswith(str(tmp_path)) and message in text and "\n" not in text


def test_broken_input_leaves_no_output(exported, tmp_path):
    folder = tmp_path / "hf"
    shutil.copytree(exported[0], folder)
    cut(folder)
    source, out = f"--hf_model={folder}", f"--output_dir={tmp_path / 'out'}"
    result = launcher.run(PROGRAM, "to_hf", source, out, status=1)
    assert result.stderr.startswith(f"{PROGRAM}: error: {tmp_path}")
    assert "model.safetensors: is cut short" in result.stderr and result.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == ["hf"]


def test_a_broken_checkpoint(release, tmp_path):
    shutil.copytree(release, tmp_path / "tf")
    data = tmp_path / "tf" / "bert_model.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1] + b"x")
    prefix = f"--tf_checkpoint={tmp_path / 'tf' / 'bert_model.ckpt'}"
    result = launcher.run(PROGRAM, "to_hf", prefix, f"--output_dir={tmp_path / 'out'}", status=1)
    assert "broken checkpoint" in result.stderr
    assert os.listdir(tmp_path) == ["tf"]


def test_an_output_that_is_there(exported, tmp_path):
    source, out = f"--hf_model={exported[0]}", tmp_path / "out"
    to_hf = (PROGRAM, "to_hf", source, f"--output_dir={out}")
    out.mkdir()
    launcher.run(*to_hf)
    assert (
        "is not empty; expected a new folder, or --overwrite"
        in launcher.run(*to_hf, status=1).stderr
    )
    (out / "config.json").write_text("{}")
    launcher.run(*to_hf, "--overwrite")
    assert hugging_face.read_folder(str(out)).tensors
    (out / "thesis.docx").write_text("years of work")
    refused = launcher.run(*to_hf, "--overwrite", status=1).stderr
    assert "holds thesis.docx, which --overwrite would delete" in refused
    assert (out / "thesis.docx").exists()
    (out / "thesis.docx").rename(out / "bert_model.ckpt.meta")
    assert (
        "holds bert_model.ckpt.meta, which" in launcher.run(*to_hf, "--overwrite", status=1).stderr
    )
    (tmp_path / "file").write_text("")
    on_file = (PROGRAM, "to_hf", source, f"--output_dir={tmp_path / 'file'}")
    assert "is no folder" in launcher.run(*on_file, "--overwrite", status=1).stderr
    assert sorted(os.listdir(tmp_path)) == ["file", "out"]


def test_a_model_in_place_of_itself(exported, tmp_path):
    """Its weights are read from the disk late; they are the old ones until the new are whole."""
    folder = tmp_path / "hf"
    shutil.copytree(exported[0], folder)
    launcher.run(PROGRAM, "to_hf", f"--hf_model={folder}", f"--output_dir={folder}", "--overwrite")
    for name in os.listdir(exported[0]):
        assert (folder / name).read_bytes() == (exported[0] / name).read_bytes()
