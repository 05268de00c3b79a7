"""Models go to Hugging Face's libraries and come back as they were, and compute the same there."""

import json
import logging
import resource
import time

import numpy as np
import pytest
import random_models as models
import torch
import transformers
from skips import TRANSFORMERS_4

from bert_wwm.convert import google_folder, hugging_face, names, safetensors_file
from bert_wwm.convert.pretrained import Pretrained, complete
from bert_wwm.core.errors import CheckpointError, ConfigError, DataError
from bert_wwm.text.vocabulary import Vocabulary

IS_TRANSFORMERS_4 = transformers.__version__.startswith("4.")
LERT = {f"cls/predictions/output_{task}_layer/kernel": [8, 5] for task in ("pos", "ner", "dep")}
PERT = {"cls/permutation/transform/dense/kernel": [8, 8], "cls/permutation/output_bias": [24]}


@pytest.fixture
def warnings(caplog):
    """What transformers says while it loads a model."""
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    logger.propagate = False
    yield lambda: [record.getMessage() for record in caplog.records]
    logger.removeHandler(caplog.handler)


def read_back(folder) -> Pretrained:
    return google_folder.read(
        str(folder / "bert_model.ckpt"),
        str(folder / "bert_config.json"),
        str(folder / "vocab.txt"),
        True,
    )


@pytest.mark.parametrize(
    "shape, hidden_act, with_heads",
    [
        ("rbt3", "gelu_new", True),
        ("rbt3", "gelu", False),
        ("rbt3", "relu", True),
        pytest.param("base", "gelu", True, marks=pytest.mark.slow),
        pytest.param("base", "gelu_new", False, marks=pytest.mark.long),
        pytest.param("small", "gelu_new", True, marks=pytest.mark.long),
        pytest.param("small", "gelu", False, marks=pytest.mark.long),
        pytest.param("large", "gelu", True, marks=pytest.mark.long),
        pytest.param("large", "gelu_new", False, marks=pytest.mark.long),
    ],
)
def test_all_computes_the_same_there_and_back(tmp_path, warnings, shape, hidden_act, with_heads):
    values = models.config(shape, hidden_act)
    model = models.random_model(values, models.PRETRAINING if with_heads else models.ENCODER)
    google_folder.write_folder(str(tmp_path / "tf"), model)
    read = read_back(tmp_path / "tf")
    models.assert_same_weights(read.tensors, model.tensors)
    expected = models.google_outputs(tmp_path / "tf", with_heads)

    hugging_face.write_folder(str(tmp_path / "hf"), read)
    kind = transformers.BertForPreTraining if with_heads else transformers.BertModel
    there = kind.from_pretrained(tmp_path / "hf")
    assert warnings() == []
    assert models.largest_difference(models.torch_outputs(there, with_heads), expected) < 1e-5

    again = hugging_face.read_folder(str(tmp_path / "hf"))
    assert again.config == model.config
    assert again.vocabulary == model.vocabulary
    assert not (again.skipped or again.made_up or again.notes)
    google_folder.write_folder(str(tmp_path / "again"), again)
    models.assert_same_weights(read_back(tmp_path / "again").tensors, model.tensors)
    for name in ("bert_config.json", "vocab.txt"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "tf" / name).read_bytes()
    for end in ("index", "data-00000-of-00001"):
        one, other = (tmp_path / f / f"bert_model.ckpt.{end}" for f in ("tf", "again"))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.long
def test_a_model_of_true_size(tmp_path, samples):
    """BERT-base, 110 million weights: seconds and memory are printed (-s)."""
    vocabulary = Vocabulary.from_file(str(samples / "vocab.txt"))
    values = {
        "vocab_size": len(vocabulary),
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "max_position_embeddings": 512,
    }
    model = models.random_model(models.config("base", **values), deviation=0.02)
    model.vocabulary = vocabulary.pieces
    started = time.monotonic()
    google_folder.write_folder(str(tmp_path / "tf"), model)
    hugging_face.write_folder(str(tmp_path / "hf"), read_back(tmp_path / "tf"))
    google_folder.write_folder(
        str(tmp_path / "again"), hugging_face.read_folder(str(tmp_path / "hf"))
    )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\nthere and back: {time.monotonic() - started:.1f} s, at most {memory:.1f} GiB")
    models.assert_same_weights(read_back(tmp_path / "again").tensors, model.tensors)
    expected = models.google_outputs(tmp_path / "again", True)
    there = transformers.BertForPreTraining.from_pretrained(tmp_path / "hf")
    difference = models.largest_difference(models.torch_outputs(there, True), expected)
    print(f"largest difference: {difference:.1e}")
    assert difference < 1e-5


@pytest.mark.parametrize(
    "hidden_act, with_heads",
    [("gelu", True), ("gelu_new", False), ("gelu_fast", True), ("gelu_pytorch_tanh", False)],
)
def test_what_transformers_made_computes_the_same_here(tmp_path, hidden_act, with_heads):
    values = {**models.config("rbt3"), "hidden_act": hidden_act, "initializer_range": 0.1}
    kind = transformers.BertForPreTraining if with_heads else transformers.BertModel
    torch.manual_seed(1)
    there = kind(transformers.BertConfig(**values))
    there.save_pretrained(tmp_path / "hf")
    (tmp_path / "hf" / "vocab.txt").write_text("\n".join(models.PIECES), encoding="utf-8")
    google_folder.write_folder(str(tmp_path / "tf"), hugging_face.read_folder(str(tmp_path / "hf")))
    expected = models.torch_outputs(there, with_heads)
    found = models.google_outputs(tmp_path / "tf", with_heads)
    assert models.largest_difference(found, expected) < 1e-5

    hugging_face.write_folder(str(tmp_path / "again"), read_back(tmp_path / "tf"))
    again = kind.from_pretrained(tmp_path / "again").state_dict()
    original = there.state_dict()
    assert again.keys() == original.keys()
    assert all(torch.equal(again[name], original[name]) for name in original)


def test_transformers_reads_our_checkpoints(tmp_path):
    if not IS_TRANSFORMERS_4:
        pytest.skip(TRANSFORMERS_4)
    from transformers.models.bert.modeling_bert import load_tf_weights_in_bert

    model = models.random_model(models.config("rbt3"))
    google_folder.write_folder(str(tmp_path / "tf"), model)
    config = transformers.BertConfig.from_json_file(tmp_path / "tf" / "bert_config.json")
    loaded = transformers.BertForPreTraining(config)
    load_tf_weights_in_bert(loaded, config, str(tmp_path / "tf" / "bert_model.ckpt"))
    expected = models.google_outputs(tmp_path / "tf", True)
    assert models.largest_difference(models.torch_outputs(loaded, True), expected) < 1e-5


@pytest.mark.parametrize(
    "kind, parts, labels",
    [
        ("sentence", [*models.ENCODER, names.CLASSIFIER], ["差评", "好评", "中评"]),
        ("tagging", [*models.ENCODER, names.CLASSIFIER], ["O", "B-PER", "I-PER"]),
        ("sentence", [*models.ENCODER, names.CLASSIFIER], []),
        ("", [*models.ENCODER, names.SPAN], []),
        ("", [*models.ENCODER, names.MASKED_LM], []),
        ("", [names.ENCODER, names.MASKED_LM], []),
        ("", [*models.ENCODER, names.PAIR], []),
        ("", models.ENCODER, []),
    ],
)
def test_heads_choose_the_class(tmp_path, warnings, kind, parts, labels):
    model = models.random_model(models.config(), parts, num_classes=3)
    model.kind, model.labels = kind, labels
    hugging_face.write_folder(str(tmp_path), model)
    name = model.architecture
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [name]
    loaded = getattr(transformers, name).from_pretrained(tmp_path)
    if name == "BertForMaskedLM" and names.POOLER in parts:  # there for BertModel
        assert all("bert.pooler" in message for message in warnings())
    else:
        assert warnings() == []
    if labels:
        assert list(loaded.config.id2label.values()) == labels
    again = hugging_face.read_folder(str(tmp_path))
    models.assert_same_weights(again.tensors, model.tensors)
    assert again.labels == labels
    assert (again.kind == kind) or not kind


def test_expected_classes():
    def name(*parts, kind=""):
        model = models.random_model(models.config(), parts, 2)
        model.kind = kind
        return model.architecture

    encoder = models.ENCODER
    assert name(*encoder) == "BertModel"
    assert name(*encoder, names.MASKED_LM, names.PAIR) == "BertForPreTraining"
    assert name(*encoder, names.MASKED_LM) == "BertForMaskedLM"
    assert name(*encoder, names.PAIR) == "BertForNextSentencePrediction"
    assert name(*encoder, names.SPAN) == "BertForQuestionAnswering"
    assert name(*encoder, names.CLASSIFIER) == "BertForSequenceClassification"
    assert name(*encoder, names.CLASSIFIER, kind="tagging") == "BertForTokenClassification"


@pytest.mark.parametrize("kind", ["sentence", "tagging"])
def test_a_classifier_keeps_its_kind_and_its_labels_in_a_checkpoint(tmp_path, kind):
    parts = [*models.ENCODER, names.CLASSIFIER]
    model = models.random_model(models.config(), parts, num_classes=2)
    model.kind, model.labels = kind, ["好", "坏"]
    google_folder.write_folder(str(tmp_path), model)
    again = read_back(tmp_path)
    assert (again.kind, again.labels, again.config) == (kind, model.labels, model.config)


@pytest.mark.parametrize("heads", [LERT, PERT, {"my_own/scores": [3]}])
def test_other_heads_travel_in_a_file_of_their_own(tmp_path, warnings, heads):
    model = models.random_model(models.config(), models.PRETRAINING)
    rng = np.random.default_rng(5)
    others = {name: rng.normal(size=shape).astype(np.float32) for name, shape in heads.items()}
    others["my_own/counts"] = np.arange(6, dtype=np.int64).reshape(2, 3)
    model.tensors.update(others)
    google_folder.write_folder(str(tmp_path / "tf"), model)
    hugging_face.write_folder(str(tmp_path / "hf"), read_back(tmp_path / "tf"))
    side = safetensors_file.read(str(tmp_path / "hf" / "tf_heads.safetensors"))
    assert side.keys() == others.keys()
    transformers.BertForPreTraining.from_pretrained(tmp_path / "hf")
    assert warnings() == []
    google_folder.write_folder(
        str(tmp_path / "again"), hugging_face.read_folder(str(tmp_path / "hf"))
    )
    models.assert_same_weights(read_back(tmp_path / "again").tensors, model.tensors)


def test_quick_load(tmp_path, warnings):
    """Every class that the README names, and the pipeline; its words are those of our graph."""
    from bert_wwm.model.bert import BertConfig
    from bert_wwm.model.fill_mask import MaskFiller

    model = models.random_model(models.config("rbt3"))
    google_folder.write_folder(str(tmp_path / "tf"), model)
    hugging_face.write_folder(str(tmp_path / "hf"), model)
    folder = str(tmp_path / "hf")
    for name in ("BertModel", "BertForMaskedLM", "BertForPreTraining", "AutoModel"):
        getattr(transformers, name).from_pretrained(folder)
    loaded = transformers.AutoModelForMaskedLM.from_pretrained(folder)
    assert type(loaded).__name__ == "BertForMaskedLM"
    # transformers 5 reports the heads that a class has no use for.
    reports = [line for line in warnings() if IS_TRANSFORMERS_4 or "LOAD REPORT" not in line]
    assert reports == [] and not any("MISSING" in line for line in warnings())
    decoder = loaded.cls.predictions.decoder
    assert decoder.weight is loaded.bert.embeddings.word_embeddings.weight

    fill = transformers.pipeline("fill-mask", folder, device="cpu")
    tokenizer = transformers.BertTokenizer.from_pretrained(folder)
    config = BertConfig.from_json_file(str(tmp_path / "tf" / "bert_config.json")).with_gelu("erf")
    filler = MaskFiller(config, str(tmp_path / "tf" / "bert_model.ckpt"))
    for text in ("使用语言[MASK]型来预测。", "今天[MASK]气很不错", "[MASK]国人民"):
        ids = tokenizer(text)["input_ids"]
        position = ids.index(tokenizer.mask_token_id)
        scores, pieces = filler.likeliest(np.array([ids]), position, 3)
        found = fill(text, top_k=3)
        assert [entry["token"] for entry in found] == list(pieces[0])
        assert np.allclose([entry["score"] for entry in found], np.exp(scores[0]), atol=1e-6)


def test_without_a_pooler(tmp_path):
    config = transformers.BertConfig(**models.config(hidden_act="gelu"))
    transformers.BertForMaskedLM(config).save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(models.PIECES), encoding="utf-8")
    parts = [*models.PRETRAINING[:-1]]
    model = hugging_face.read_folder(str(tmp_path))
    with pytest.raises(CheckpointError, match=r"lacks bert/pooler/dense/kernel.*--nostrict"):
        complete(model, parts, True, "there")
    complete(model, parts, False, "there")
    assert model.made_up == ["bert/pooler/dense/kernel", "bert/pooler/dense/bias"]
    kernel = model.tensors["bert/pooler/dense/kernel"]
    assert 0.005 < kernel.std() < 0.03 and np.abs(kernel).max() <= 0.04
    assert not model.tensors["bert/pooler/dense/bias"].any()
    again = hugging_face.read_folder(str(tmp_path))
    complete(again, parts, False, "there")
    models.assert_same_weights(again.tensors, model.tensors)


def test_half_a_head(tmp_path):
    model = models.random_model(models.config())
    del model.tensors["cls/predictions/transform/LayerNorm/gamma"]
    with pytest.raises(CheckpointError, match="lacks cls/predictions/transform/LayerNorm/gamma"):
        complete(model, hugging_face.list_needed_parts(model), True, "there")
    complete(model, models.PRETRAINING, False, "there")
    assert (model.tensors["cls/predictions/transform/LayerNorm/gamma"] == 1).all()
    hugging_face.write_folder(str(tmp_path), model)


@pytest.fixture
def folder(tmp_path):
    hugging_face.write_folder(str(tmp_path / "hf"), models.random_model(models.config()))
    return tmp_path / "hf"


def change(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_configuration_of_other_sizes(folder):
    change(folder, intermediate_size=16, max_position_embeddings=32)
    with pytest.raises(
        CheckpointError,
        match=r"position_embeddings has shape \[24, 8\], not \[32, 8\], .*layer_0/intermediate/",
    ):
        hugging_face.read_folder(str(folder))


def test_more_and_fewer_layers(folder):
    change(folder, num_hidden_layers=3)
    with pytest.raises(CheckpointError, match="weights of 2 layers, but num_hidden_layers is 3;"):
        hugging_face.read_folder(str(folder))
    change(folder, num_hidden_layers=10**18)
    with pytest.raises(CheckpointError, match="weights of 2 layers"):
        hugging_face.read_folder(str(folder))
    change(folder, num_hidden_layers=1)
    with pytest.raises(CheckpointError, match=r"layer_1/.* is of no layer"):
        hugging_face.read_folder(str(folder))


def test_a_vocabulary_of_another_size(folder):
    pieces = [*models.PIECES, "more"]
    (folder / "vocab.txt").write_text("\n".join(pieces), encoding="utf-8")
    with pytest.raises(CheckpointError, match=rf"vocabulary has {len(pieces)} pieces, but"):
        hugging_face.read_folder(str(folder))
    (folder / "vocab.txt").write_text("\n".join(models.PIECES[:-1]), encoding="utf-8")
    notes = hugging_face.read_folder(str(folder)).notes
    assert notes == ["1 rows of the word embeddings are of no piece"]


def test_what_has_no_place_here_is_told(folder):
    change(folder, classifier_dropout=0.2, tie_word_embeddings=False, torch_dtype="float32")
    (folder / "modules.json").write_text("[]")
    (folder / "pytorch_model.bin").write_bytes(b"")
    notes = hugging_face.read_folder(str(folder)).notes
    assert len(notes) == 3
    assert notes[0] == "pytorch_model.bin is not read, as model.safetensors lies beside it"
    assert notes[1].startswith("modules.json: what sentence-transformers computes after BERT")
    assert notes[2].startswith("config.json says classifier_dropout, tie_word_embeddings, which")


def test_classes_of_the_same_name(tmp_path):
    model = models.random_model(models.config(), [*models.ENCODER, names.CLASSIFIER], 2)
    model.labels = ["a", "b"]
    hugging_face.write_folder(str(tmp_path), model)
    change(tmp_path, id2label={"0": "a", "1": "a"})
    with pytest.raises(CheckpointError, match="several of its classes are called a;"):
        hugging_face.read_folder(str(tmp_path))


def test_deeply_nested_json(folder):
    deep = "[" * 100_000
    for name, error in (("tokenizer_config.json", DataError), ("config.json", ConfigError)):
        (folder / name).write_text(f'{{"architectures": {deep}')
        with pytest.raises(error, match="too deep to read"):
            hugging_face.read_folder(str(folder))


@pytest.mark.parametrize(
    "record, lower_case, activation",
    [
        ({"do_lower_case": False, "gelu": "tanh"}, False, "gelu_new"),
        ({"do_lower_case": True, "gelu": "erf"}, True, "gelu"),
        ({}, True, "gelu"),
    ],
)
def test_what_a_fine_tuning_recorded(tmp_path, record, lower_case, activation):
    model = models.random_model(models.config(), [*models.ENCODER, names.CLASSIFIER], 2)
    google_folder.write_folder(str(tmp_path / "best"), model)
    (tmp_path / "run.json").write_text(json.dumps({"settings": {"kind": "tagging", **record}}))
    paths = [
        str(tmp_path / "best" / n) for n in ("bert_model.ckpt", "bert_config.json", "vocab.txt")
    ]
    found = google_folder.read(*paths)
    assert (found.kind, found.do_lower_case) == ("tagging", lower_case)
    assert found.config["hidden_act"] == activation


@pytest.mark.parametrize("hidden_act, ours", [("gelu_erf", "gelu"), ("gelu_tanh", "gelu_new")])
def test_activations_get_the_names_that_all_read(tmp_path, hidden_act, ours):
    google_folder.write_folder(
        str(tmp_path), models.random_model(models.config(hidden_act=hidden_act))
    )
    assert read_back(tmp_path).config["hidden_act"] == ours


def test_a_casing_that_is_none(tmp_path):
    google_folder.write_folder(str(tmp_path), models.random_model(models.config()))
    path = tmp_path / "bert_config.json"
    path.write_text(path.read_text().replace("{", '{"do_lower_case": "no",', 1))
    with pytest.raises(DataError, match="do_lower_case is 'no'; expected true or false"):
        read_back(tmp_path)


def test_an_untied_decoder(folder):
    path = str(folder / "model.safetensors")
    tensors = {name: tensor.copy() for name, tensor in safetensors_file.read(path).items()}
    tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"]
    tensors["bert.embeddings.position_ids"] = np.arange(24)
    safetensors_file.write(path, tensors)
    skipped = hugging_face.read_folder(str(folder)).skipped
    assert list(skipped) == ["bert.embeddings.position_ids", "cls.predictions.decoder.weight"]
    tensors["cls.predictions.decoder.weight"] = tensors["cls.predictions.decoder.weight"] + 1e-3
    safetensors_file.write(path, tensors)
    with pytest.raises(CheckpointError, match=r"decoder\.weight differs from .*word_embeddings"):
        hugging_face.read_folder(str(folder))


def test_other_models(folder):
    for name in ("roberta", "electra", "albert"):
        change(folder, model_type=name)
        with pytest.raises(ConfigError, match=f"type {name}; expected bert"):
            hugging_face.read_folder(str(folder))


def test_nan_is_told_and_stays(folder):
    model = hugging_face.read_folder(str(folder))
    name = "bert/pooler/dense/kernel"
    model.tensors[name] = model.tensors[name].copy()
    model.tensors[name][0, :2] = np.nan, np.inf
    hugging_face.write_folder(str(folder), model)
    again = hugging_face.read_folder(str(folder))
    assert again.notes == [f"{name}: 2 of 64 values are no finite numbers; they stay as they are"]
    models.assert_same_weights(again.tensors, model.tensors)


def test_no_such_model(tmp_path, monkeypatch):
    import huggingface_hub

    def unreachable(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "list_repo_files", unreachable)
    with pytest.raises(DataError, match="no such folder; expected"):
        hugging_face.read_folder(str(tmp_path / "none" / "such"))
    with pytest.raises(DataError, match=r"no such folder, and .* can't be reached"):
        hugging_face.read_folder("nobody/no-such-model")


def test_hub_downloads_one_form_of_the_weights(folder, monkeypatch):
    import huggingface_hub

    asked = {}

    def download(name, allow_patterns):
        asked[name] = allow_patterns
        return str(folder)

    def listed(_):
        return ["config.json", "model.safetensors.index.json", "pytorch_model.bin", "flax.msgpack"]

    monkeypatch.setattr(huggingface_hub, "list_repo_files", listed)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert hugging_face.read_folder("hfl/some-model").tensors
    weights = [pattern for pattern in asked["hfl/some-model"] if "model" in pattern]
    assert weights == ["model.safetensors.index.json", "model-*.safetensors"]
    assert "vocab.txt" in asked["hfl/some-model"]


@pytest.mark.parametrize("named_by", ["snapshot", "repository", "name"])
def test_the_cache_of_the_hub(folder, tmp_path, monkeypatch, named_by):
    import huggingface_hub

    def unreachable(*_, **__):
        raise OSError("no network")

    commit = "0123456789012345678901234567890123456789"
    repository = tmp_path / "cache" / "models--hfl--some-model"
    snapshot = repository / "snapshots" / commit
    for made in (snapshot, repository / "blobs", repository / "refs"):
        made.mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit, encoding="utf-8")
    for number, file in enumerate(sorted(folder.iterdir())):
        file.rename(repository / "blobs" / f"{number:040x}")
        (snapshot / file.name).symlink_to(f"../../blobs/{number:040x}")
    monkeypatch.setattr(huggingface_hub, "list_repo_files", unreachable)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    names = {"snapshot": snapshot, "repository": repository, "name": "hfl/some-model"}
    assert hugging_face.read_folder(str(names[named_by])).tensors


def test_the_cased_stay_cased(folder):
    model = hugging_face.read_folder(str(folder))
    assert model.do_lower_case
    model.do_lower_case = False
    hugging_face.write_folder(str(folder), model)
    assert not hugging_face.read_folder(str(folder)).do_lower_case


@pytest.mark.parametrize("is_trained", [False, True])
def test_an_untrained_head_is_noted_in_either_form(tmp_path, is_trained):
    model = models.random_model(models.config())
    if not is_trained:
        model.tensors["cls/predictions/output_bias"][:] = 0
        model.tensors["cls/predictions/transform/LayerNorm/gamma"][:] = 1
        model.tensors["cls/predictions/transform/LayerNorm/beta"][:] = 0
    hugging_face.write_folder(str(tmp_path / "hf"), model)
    google_folder.write_folder(str(tmp_path), model)
    for found in hugging_face.read_folder(str(tmp_path / "hf")), read_back(tmp_path):
        assert len([note for note in found.notes if "never trained" in note]) == (not is_trained)
