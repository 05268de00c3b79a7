"""The casing of a model's text: its files decide, and a flag that contradicts them is refused."""

import json

import pytest

from bert_wwm.core.errors import ConfigError, DataError
from bert_wwm.text.casing import choose_casing, find_casing

BERT, LERT, TOKENIZER = "bert_config.json", "lert_config.json", "tokenizer_config.json"


@pytest.fixture
def model(tmp_path):
    """Writes files that say a casing; returns --bert_config_file and --vocab_file."""

    def write(says, given=True):
        for name in (BERT, *says):
            values = {} if says.get(name) is None else {"do_lower_case": says[name]}
            (tmp_path / name).write_text(json.dumps({"vocab_size": 3, **values}))
        return str(tmp_path / BERT) if given else None, str(tmp_path / "vocab.txt")

    return write


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize(
    "says, decides",
    [
        ({BERT: False}, BERT),
        ({BERT: True, TOKENIZER: False}, BERT),
        ({TOKENIZER: False}, TOKENIZER),
    ],
)
def test_the_files_decide(model, tmp_path, says, decides, given):
    files = model(says, given)
    assert find_casing(*files) == (says[decides], str(tmp_path / decides))
    assert choose_casing(None, *files) is says[decides]
    assert choose_casing(says[decides], *files) is says[decides]
    wrong = not says[decides]
    with pytest.raises(ConfigError) as error:
        choose_casing(wrong, *files)
    assert str(error.value) == (
        f"--do_lower_case={wrong} contradicts {tmp_path / decides}, which has do_lower_case: "
        f"{str(says[decides]).lower()}; expected the same, or no flag"
    )


def test_another_models_configuration_beside_the_vocabulary_does_not_count(model, tmp_path):
    given, vocabulary = model({LERT: False})
    assert find_casing(None, vocabulary) == (False, str(tmp_path / LERT))
    assert find_casing(given, vocabulary) is None


def test_files_of_the_current_folder_do_not_count_unless_given(model, tmp_path, monkeypatch):
    model({BERT: False, TOKENIZER: False})
    monkeypatch.chdir(tmp_path)
    assert find_casing(None, None) is None
    assert choose_casing(True, None, None) is True
    assert find_casing(None, "vocab.txt") == (False, BERT)


def test_without_a_word_the_flag_decides(model):
    files = model({})
    assert find_casing(*files) is None
    assert choose_casing(None, *files) is True
    assert choose_casing(False, *files) is False
    assert choose_casing(None, None, "/none/vocab.txt") is True


@pytest.mark.parametrize("prefix", ["/bert_model.ckpt", "", "/"])
def test_a_released_folder_tells_its_casing(model, prefix):
    """google-research/bert's validate_case_matches_checkpoint."""
    files = model({BERT: False})
    choose_casing(None, *files, f"models/cased_L-12_H-768_A-12{prefix}")
    with pytest.raises(ConfigError, match="chinese_L-12_H-768_A-12 was pretrained with --do_lower"):
        choose_casing(None, *files, f"models/chinese_L-12_H-768_A-12{prefix}")
    with pytest.raises(ConfigError, match=r"--do_lower_case=True with .*: cased_L-2_H-16_A-2 was"):
        choose_casing(None, None, None, f"cased_L-2_H-16_A-2{prefix}")


@pytest.mark.parametrize("value", ["false", 0, []])
def test_a_value_that_is_no_switch_is_named(model, value):
    with pytest.raises(DataError, match=f"{TOKENIZER}: do_lower_case is .*; expected true or fal"):
        choose_casing(None, *model({TOKENIZER: value}))
