"""Two configurations say the same, and what they can't say is refused."""

import json

import pytest
import random_models as models

from bert_wwm.convert import model_config
from bert_wwm.core.errors import ConfigError

THERE = {"model_type": "bert", "architectures": ["BertModel"]}


@pytest.fixture
def write(tmp_path):
    def write(values):
        path = tmp_path / "config.json"
        path.write_text(values if isinstance(values, str) else json.dumps(values))
        return str(path)

    return write


@pytest.mark.parametrize("hidden_act", ["gelu", "gelu_new", "relu", "tanh", "linear"])
def test_there_and_back(write, hidden_act):
    values = models.config("base", hidden_act)
    values.update(directionality="bidi", pooler_num_fc_layers=3)
    there = model_config.to_hugging_face(values, "BertForPreTraining", pad_token_id=3)
    assert there["pad_token_id"] == 3 and there["model_type"] == "bert"
    config = model_config.read_hugging_face(write(there))
    assert config.values == values
    assert (config.architecture, config.labels) == ("BertForPreTraining", [])


@pytest.mark.parametrize(
    "google, form, there, back",
    [
        ("gelu", "tanh", "gelu_new", "gelu_new"),
        ("gelu", "erf", "gelu", "gelu"),
        ("GELU", "tanh", "gelu_new", "gelu_new"),
        ("gelu_erf", "tanh", "gelu", "gelu"),
        ("gelu_tanh", "erf", "gelu_new", "gelu_new"),
        ("gelu_new", "erf", "gelu_new", "gelu_new"),
        ("relu", "erf", "relu", "relu"),
    ],
)
def test_forms_of_gelu(write, google, form, there, back):
    values = model_config.with_gelu(models.config(hidden_act=google), form)
    assert values["hidden_act"] == there
    found = model_config.to_hugging_face(values, "BertModel", 0)
    assert found["hidden_act"] == there
    assert model_config.read_hugging_face(write(found)).values["hidden_act"] == back


def test_transformers_has_all_it_needs(write):
    """It knows every key, and would write the same values itself."""
    import transformers

    labels = ["好", "坏", "不知道"]
    values = model_config.with_gelu(models.config("base"), "erf")
    there = model_config.to_hugging_face(values, "BertForSequenceClassification", 0, labels)
    config = transformers.BertConfig.from_json_file(write(there))
    theirs = {**config.to_dict(), "id2label": {str(k): v for k, v in config.id2label.items()}}
    assert {name: theirs[name] for name in there} == there
    assert config.num_labels == 3
    assert model_config.read_hugging_face(write(there)).labels == labels


def test_what_files_leave_out(write):
    """Old folders on the hub say little; the defaults of the two sides differ in one value."""
    assert model_config.read_hugging_face(write({"vocab_size": 9})).values["type_vocab_size"] == 2
    assert model_config.read_google(write({"vocab_size": 9}))["type_vocab_size"] == 16


def test_what_others_write_there_is_no_part_of_ours(write):
    values = {**models.config(hidden_act="gelu"), **THERE}
    values.update(torch_dtype="float16", transformers_version="4.1", output_past=True)
    assert model_config.read_hugging_face(write(values)).values == models.config()


def test_what_googles_says_besides_stays(write):
    values = {**models.config(), "of_my_own": [1, 2]}
    assert model_config.read_google(write(values)) == values


@pytest.mark.parametrize("labels", [{"0": "LABEL_0", "1": "LABEL_1"}, {}, None])
def test_labels_without_names(write, labels):
    values = {**models.config(hidden_act="gelu"), "id2label": labels}
    assert model_config.read_hugging_face(write(values)).labels == []


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"model_type": "xlm-roberta"}, "a model of type xlm-roberta; expected bert"),
        ({"architectures": ["BertLMHeadModel"]}, "class BertLMHeadModel; expected"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ({"is_decoder": True}, "is_decoder is True"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05; expected 1e-12"),
        ({"pruned_heads": {"0": [1]}}, "pruned_heads is"),
        ({"hidden_act": "silu"}, "hidden_act is 'silu'; expected one of gelu"),
        ({"hidden_act": ["gelu"]}, "hidden_act is"),
        ({"hidden_size": 9}, "hidden_size 9 is not a multiple of num_attention_heads 2"),
        ({"vocab_size": None}, "vocab_size is None; expected a positive integer"),
        ({"num_hidden_layers": -1}, "num_hidden_layers is -1"),
        ({"num_hidden_layers": True}, "num_hidden_layers is True"),
        ({"hidden_dropout_prob": "much"}, "hidden_dropout_prob is 'much'"),
        ({"id2label": {"0": "a", "2": "b"}}, "id2label is"),
        ({"id2label": ["a"]}, "id2label is"),
        ({"architectures": "BertModel"}, "architectures is 'BertModel'"),
    ],
)
def test_refused(write, changes, message):
    path = write({**models.config(hidden_act="gelu"), **THERE, **changes})
    with pytest.raises(ConfigError, match=message):
        model_config.read_hugging_face(path)


@pytest.mark.parametrize("text", ["", "[1]", "{", '"bert"'])
def test_broken(write, text):
    path = write(text)
    for read in (model_config.read_google, model_config.read_hugging_face):
        with pytest.raises(ConfigError, match=r"config\.json"):
            read(path)


def test_missing(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        model_config.read_hugging_face(str(tmp_path / "config.json"))
