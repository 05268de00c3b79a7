import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.text.sentences import split_sentences


@pytest.mark.parametrize(
    "text, sentences",
    [
        ("他说：“走吧！”大家走了。", ["他说：“走吧！”", "大家走了。"]),
        ("价格3.5元；好…… 不错", ["价格3.5元；", "好……", "不错"]),
        ("真的吗？！（是）。", ["真的吗？！", "（是）。"]),
        ("", []),
        (" 。 ", ["。"]),
    ],
)
def test_examples(text, sentences):
    assert split_sentences(text) == sentences


@given(st.text(st.sampled_from("一二。！”；… \n"), max_size=20))
def test_nothing_but_white_space_is_lost(text):
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())
