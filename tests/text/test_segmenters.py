"""Every segmenter tiles any text; words are laid over sentences as they are."""

import json
import subprocess
import sys
from typing import Dict, List, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_wwm.core.errors import ConfigError
from bert_wwm.text import segmenters
from bert_wwm.text.segmenters import SEGMENTERS, Segmenter, Span, make_segmenter, spans_of_words

# Text as it comes, with more than its share of what trips tokenizers: white space of all kinds,
# control and format characters, combining marks, characters beyond the basic plane.
_TROUBLE = (
    " \t\n\r\x0b\x0c\x1c\x1f\x85\xa0\u1680\u2003\u2028\u3000"
    "\x00\x01\x7f\u200b\u200d\ufeff\ufffd\u0301😀👨𠮷é"
)
_ANY_TEXT = st.text(
    st.one_of(
        st.sampled_from(_TROUBLE),
        st.sampled_from("我爱北京天安门的，。！abc012ＡＢ１２"),
        st.characters(exclude_categories=["Cs"]),
    )
)


@pytest.fixture(scope="session")
def made(perceptron_folder: str) -> Dict[str, Segmenter]:
    """All registered segmenters."""
    return {name: make_segmenter(name, perceptron_folder) for name in SEGMENTERS.names()}


@pytest.fixture(scope="session")
def neural(neural_folder: str) -> Segmenter:
    return make_segmenter("ltp", neural_folder)


def check_tiling(sentence: str, spans: Optional[List[Span]]) -> None:
    assert spans is not None
    end = 0
    for start, next_end in spans:
        assert start == end < next_end
        end = next_end
        span = sentence[start:end]
        assert span.isspace() or not any(character.isspace() for character in span)
    assert end == len(sentence)
    kinds = [sentence[start].isspace() for start, _ in spans]
    assert (True, True) not in list(zip(kinds, kinds[1:])), "a run of white space was split"


def words(sentence: str, spans: Optional[List[Span]]) -> List[str]:
    assert spans is not None
    return [sentence[start:end] for start, end in spans]


@pytest.mark.parametrize("name", SEGMENTERS.names())
@settings(deadline=None)
@given(sentences=st.lists(_ANY_TEXT, max_size=4))
def test_tiles_any_text(made: Dict[str, Segmenter], name: str, sentences: List[str]) -> None:
    found = made[name].segment(sentences)
    assert len(found) == len(sentences)
    for sentence, spans in zip(sentences, found):
        check_tiling(sentence, spans)


@settings(deadline=None, max_examples=50)
@given(sentences=st.lists(_ANY_TEXT, max_size=4))
def test_neural_tiles_any_text(neural: Segmenter, sentences: List[str]) -> None:
    for sentence, spans in zip(sentences, neural.segment(sentences)):
        check_tiling(sentence, spans)


@pytest.mark.parametrize("name", SEGMENTERS.names())
def test_tiles_very_long_text(made: Dict[str, Segmenter], name: str) -> None:
    sentence = "我们在北京 研究语言模型，" * 10_000
    check_tiling(sentence, made[name].segment([sentence])[0])


@pytest.mark.parametrize("name", SEGMENTERS.names())
def test_description_is_json(made: Dict[str, Segmenter], name: str) -> None:
    described = made[name].describe()
    assert json.loads(json.dumps(described)) == described
    assert described["name"] == name


def test_presegmented_and_characters(made: Dict[str, Segmenter]) -> None:
    sentence = "使用 语言模型\u3000。"
    (spans,) = made["presegmented"].segment([sentence])
    assert words(sentence, spans) == ["使用", " ", "语言模型", "\u3000", "。"]
    (spans,) = made["characters"].segment([sentence])
    assert words(sentence, spans) == ["使", "用", " ", "语", "言", "模", "型", "\u3000", "。"]


def test_rjieba_finds_words(made: Dict[str, Segmenter]) -> None:
    sentence = "我爱北京天安门 hello"
    (spans,) = made["rjieba"].segment([sentence])
    assert words(sentence, spans) == ["我", "爱", "北京", "天安门", " ", "hello"]


def test_missing_rjieba_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rjieba", None)
    with pytest.raises(ConfigError, match=r"pip install rjieba"):
        make_segmenter("rjieba")


def test_unknown_segmenter_is_told() -> None:
    with pytest.raises(ConfigError, match="did you mean 'rjieba'"):
        make_segmenter("jieba")


@pytest.mark.parametrize(
    ("found", "sentence", "expected"),
    [
        pytest.param([], "", [], id="nothing"),
        pytest.param(["我", "", "爱"], "我爱", ["我", "爱"], id="empty word"),
        pytest.param(["我 ", "爱"], "我 爱", ["我", " ", "爱"], id="trailing space"),
        pytest.param(["a b"], " a  b ", [" ", "a", "  ", "b", " "], id="space inside"),
        pytest.param(["中国", "人"], "中\x00国\u200b人", ["中\x00国\u200b", "人"], id="dropped"),
        pytest.param(["中国"], "\ufeff中国", ["\ufeff中国"], id="dropped at the start"),
        pytest.param(["a", "b"], "a \x01b", ["a", " ", "\x01b"], id="dropped after a space"),
        pytest.param([], "\x00\x01 \x02", ["\x00\x01", " ", "\x02"], id="all dropped"),
        pytest.param(["\x00", "a"], "\x00a", ["\x00", "a"], id="kept"),
        pytest.param(["e"], "e\u0301", ["e\u0301"], id="accent stripped"),
    ],
)
def test_spans_of_words(found: List[str], sentence: str, expected: List[str]) -> None:
    assert words(sentence, spans_of_words(found, sentence)) == expected


@pytest.mark.parametrize(
    ("found", "sentence"),
    [(["我"], "我爱"), (["我爱"], "我"), (["爱", "我"], "我爱"), (["A"], "a"), (["[UNK]"], "字")],
)
def test_other_text_does_not_match(found: List[str], sentence: str) -> None:
    assert spans_of_words(found, sentence) is None


@given(found=st.lists(_ANY_TEXT), data=st.data())
def test_spans_of_words_on_any_words(found: List[str], data: st.DataObject) -> None:
    sentence = "".join(found)
    spans = spans_of_words(found, sentence)
    check_tiling(sentence, spans)
    # Each end of a word that holds something is an end of a span.
    ends = {end for _, end in spans or []} | {0}
    position = 0
    for word in found:
        position += len(word)
        if word and word.strip() == word:
            assert position in ends
    # Without its white space and control characters it is still the same sentence.
    dropped = data.draw(st.sets(st.sampled_from(" \t\x00\x01\u200b\ufffd")))
    kept = ["".join(letter for letter in word if letter not in dropped) for word in found]
    check_tiling(sentence, spans_of_words(kept, sentence))


def test_import_is_light() -> None:
    code = f"import sys, {segmenters.__name__}; print(*sys.modules)"
    listed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"tensorflow", "torch", "transformers", "ltp", "ltp_extension", "rjieba"}
    assert not heavy & set(listed)
    assert "huggingface_hub" not in listed
