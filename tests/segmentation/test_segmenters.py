"""Every segmenter tiles any text; words and their tags are laid over sentences as they are."""

import itertools
import json
import pickle
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bert_wwm.core.errors import ConfigError
from bert_wwm.segmentation import ltp, perceptron_file, segmenters
from bert_wwm.segmentation.alignment import word_lengths
from bert_wwm.segmentation.ltp_model import Tagged
from bert_wwm.segmentation.segmenters import (
    SEGMENTERS,
    Segmenter,
    Span,
    make_segmenter,
    place_words,
)
from bert_wwm.text.tokenizer import Tokenizer
from bert_wwm.text.vocabulary import Vocabulary

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
def made(perceptron_folder: str) -> dict[str, Segmenter]:
    """All registered segmenters."""
    return {name: make_segmenter(name, perceptron_folder) for name in SEGMENTERS.names()}


@pytest.fixture(scope="session")
def neural(neural_folder: str) -> Segmenter:
    return make_segmenter("ltp", neural_folder)


def check_tiling(sentence: str, spans: list[Span] | None) -> None:
    assert spans is not None
    end = 0
    for start, next_end in spans:
        assert start == end < next_end
        end = next_end
        span = sentence[start:end]
        assert span.isspace() or not any(character.isspace() for character in span)
    assert end == len(sentence)
    kinds = [sentence[start].isspace() for start, _ in spans]
    assert (True, True) not in list(itertools.pairwise(kinds)), "a run of white space was split"


def find_spans(found: list[str], sentence: str) -> list[Span] | None:
    placed = place_words(Tagged(found, {}), sentence)
    return placed and placed.spans


def words(sentence: str, spans: list[Span] | None) -> list[str]:
    assert spans is not None
    return [sentence[start:end] for start, end in spans]


@pytest.mark.parametrize("name", SEGMENTERS.names())
@settings(deadline=None)
@given(sentences=st.lists(_ANY_TEXT, max_size=4))
def test_tiles_any_text(made: dict[str, Segmenter], name: str, sentences: list[str]) -> None:
    found = made[name].segment(sentences)
    assert len(found) == len(sentences)
    for sentence, spans in zip(sentences, found):
        check_tiling(sentence, spans)


@settings(deadline=None, max_examples=50)
@given(sentences=st.lists(_ANY_TEXT, max_size=4))
def test_neural_tiles_any_text(neural: Segmenter, sentences: list[str]) -> None:
    for sentence, spans in zip(sentences, neural.segment(sentences)):
        check_tiling(sentence, spans)


@pytest.mark.parametrize("name", SEGMENTERS.names())
def test_tiles_very_long_text(made: dict[str, Segmenter], name: str) -> None:
    sentence = "我们在北京 研究语言模型，" * 10_000
    check_tiling(sentence, made[name].segment([sentence])[0])


@pytest.mark.parametrize("name", SEGMENTERS.names())
def test_description_is_json(made: dict[str, Segmenter], name: str) -> None:
    described = made[name].describe()
    assert json.loads(json.dumps(described)) == described
    assert described["name"] == name


def test_presegmented_and_characters(made: dict[str, Segmenter]) -> None:
    sentence = "使用 语言模型\u3000。"
    (spans,) = made["presegmented"].segment([sentence])
    assert words(sentence, spans) == ["使用", " ", "语言模型", "\u3000", "。"]
    (spans,) = made["characters"].segment([sentence])
    assert words(sentence, spans) == ["使", "用", " ", "语", "言", "模", "型", "\u3000", "。"]


def test_rjieba_finds_words(made: dict[str, Segmenter]) -> None:
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
def test_place_words(found: list[str], sentence: str, expected: list[str]) -> None:
    assert words(sentence, find_spans(found, sentence)) == expected


@pytest.mark.parametrize(
    ("found", "sentence"),
    [(["我"], "我爱"), (["我爱"], "我"), (["爱", "我"], "我爱"), (["A"], "a"), (["[UNK]"], "字")],
)
def test_other_text_does_not_match(found: list[str], sentence: str) -> None:
    assert find_spans(found, sentence) is None


@given(found=st.lists(_ANY_TEXT), data=st.data())
def test_place_words_on_any_words(found: list[str], data: st.DataObject) -> None:
    sentence = "".join(found)
    spans = find_spans(found, sentence)
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
    check_tiling(sentence, find_spans(kept, sentence))


def check_tags(segmenter: Segmenter, sentences: Sequence[str]) -> None:
    tasks = segmenter.tasks()
    annotated = segmenter.annotate(sentences, tasks)
    assert [one and one.spans for one in annotated] == segmenter.segment(sentences)
    for sentence, one in zip(sentences, annotated):
        assert one is not None
        assert tuple(one.tags) == tasks
        for tags in one.tags.values():
            assert len(tags) == len(one.spans)
            for (start, end), tag in zip(one.spans, tags):
                if sentence[start:end].isspace():
                    assert tag is None


@settings(deadline=None)
@given(sentences=st.lists(_ANY_TEXT, max_size=4))
def test_tags_any_text(made: dict[str, Segmenter], sentences: list[str]) -> None:
    assert made["ltp"].tasks() == ("pos", "ner")
    check_tags(made["ltp"], sentences)


@settings(deadline=None, max_examples=50)
@given(sentences=st.lists(_ANY_TEXT, max_size=4))
def test_neural_tags_any_text(neural: Segmenter, sentences: list[str]) -> None:
    assert neural.tasks() == ("pos", "ner", "dep")
    check_tags(neural, sentences)


class _FixedModel:
    """Finds the given words, whatever it is asked, and tags each with its number."""

    def __init__(self, words: list[str]):
        self._words = words

    def annotate(self, sentences: Sequence[str], tasks: Sequence[str]) -> list[Tagged]:
        numbers = [str(number) for number in range(len(self._words))]
        return [Tagged(self._words, dict.fromkeys(tasks, numbers)) for _ in sentences]


@pytest.mark.parametrize(
    ("found", "sentence", "expected"),
    [
        pytest.param([], "", [], id="nothing"),
        pytest.param(["我", "", "爱"], "我爱", ["0", "2"], id="empty word"),
        pytest.param(["我 ", "", "爱"], "我 爱", ["0", None, "2"], id="trailing space"),
        pytest.param(["我", " ", "爱"], "我 爱", ["0", None, "2"], id="word of space"),
        pytest.param(["a b", "c"], " a  bc", [None, "0", None, "0", "1"], id="space inside"),
        pytest.param(["中国", "人"], "中\x00国\u200b人", ["0", "1"], id="dropped"),
        pytest.param(["中国"], "\ufeff中国", ["0"], id="dropped at the start"),
        pytest.param(["a", "b"], "a \x01b", ["0", None, "1"], id="dropped after a space"),
        pytest.param(["a"], "\x00 a", [None, None, "0"], id="dropped between spaces"),
        pytest.param(["我爱"], "我", None, id="other text"),
    ],
)
def test_tags_stay_with_their_words(
    monkeypatch: pytest.MonkeyPatch,
    found: list[str],
    sentence: str,
    expected: list[str | None] | None,
) -> None:
    monkeypatch.setattr(ltp, "load", lambda *_: _FixedModel(found))
    (annotated,) = make_segmenter("ltp").annotate([sentence], ("pos", "dep"))
    if expected is None:
        assert annotated is None
    else:
        assert annotated is not None
        assert annotated.spans == find_spans(found, sentence)
        assert annotated.tags == {"pos": expected, "dep": expected}


def test_tags_are_described(made: dict[str, Segmenter]) -> None:
    described = made["ltp"].describe(("ner",))
    assert json.loads(json.dumps(described)) == described
    tags = described.pop("tags")
    assert described == made["ltp"].describe()
    assert isinstance(tags, dict)
    assert tags["tasks"] == ["ner"]
    assert "sha256" in tags
    with pytest.raises(ConfigError, match="no tags of the task 'dep'"):
        made["ltp"].describe(("pos", "dep"))


@pytest.mark.parametrize("name", ["rjieba", "characters"])
def test_missing_tags_are_told(made: dict[str, Segmenter], name: str) -> None:
    assert made[name].tasks() == ()
    message = rf"the segmenter '{name}' doesn't tag words \(pos, dep\)"
    with pytest.raises(ConfigError, match=message):
        made[name].annotate(["我"], ("pos", "dep"))
    with pytest.raises(ConfigError, match=message):
        made[name].describe(("pos", "dep"))


@pytest.mark.parametrize("name", SEGMENTERS.names())
def test_goes_to_other_processes(name: str, perceptron_folder: str) -> None:
    segmenter = make_segmenter(name, perceptron_folder, parallelism=False)
    pickled = pickle.dumps(segmenter)
    spans = segmenter.segment(["他们爱北京。"])
    assert pickle.loads(pickled).segment(["他们爱北京。"]) == spans


def test_other_processes_do_not_check_again(
    perceptron_folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = make_segmenter("ltp", perceptron_folder, parallelism=False)
    segmenter.describe(("ner",))
    copy = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(segmenter))))
    monkeypatch.delattr(perceptron_file, "read")
    assert copy.annotate(["他们爱北京。"], ("ner",)) == segmenter.annotate(
        ["他们爱北京。"], ("ner",)
    )
    with pytest.raises(AttributeError):
        make_segmenter("ltp", perceptron_folder).describe()


def test_neural_goes_to_other_processes(neural_folder: str) -> None:
    segmenter = make_segmenter("ltp", neural_folder, ltp_device="cpu", ltp_batch_size=2)
    sentences = ["我爱北京天安门。", "他们", "我"]
    annotated = segmenter.annotate(sentences, ("dep",))
    copy = pickle.loads(pickle.dumps(segmenter))
    assert copy.annotate(sentences, ("dep",)) == annotated


def test_options_reach_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple] = []

    def load(*options: object) -> _FixedModel:
        calls.append(options)
        return _FixedModel([])

    monkeypatch.setattr(ltp, "load", load)
    segmenter = make_segmenter(
        "ltp", "folder", parallelism=False, ltp_device="cuda:1", ltp_batch_size=7
    )
    assert calls == []
    segmenter.annotate([""], ())
    assert calls == [("folder", False, "cuda:1", 7)]


def test_import_is_light() -> None:
    code = f"import sys, {segmenters.__name__}; print(*sys.modules)"
    listed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"tensorflow", "torch", "transformers", "ltp", "ltp_extension", "rjieba"}
    assert not heavy & set(listed)
    assert "huggingface_hub" not in listed


ENGLISH = Vocabulary(
    "[PAD] [UNK] [CLS] [SEP] [MASK] the pro ##ba ##bility of n ##t don ' , . 中 国 ##s 2 ##0 un "
    "##a ##ff".split()
)


@given(
    st.lists(st.sampled_from("the probability of don't unaff 2020 中国 , . x the\u00e9 s".split()))
)
def test_none_groups_what_wordpiece_cut(words: list[str]) -> None:
    """As Google's English models do it: a piece, and the pieces with ## behind it."""
    sentence = " ".join(words)
    pieces = Tokenizer(ENGLISH).tokenize(sentence)
    [spans] = make_segmenter("none").segment([sentence])
    glued: list[int] = []
    for piece in pieces:
        if piece.text.startswith("##"):
            glued[-1] += 1
        else:
            glued.append(1)
    assert word_lengths(pieces, spans) == glued
