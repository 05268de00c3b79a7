import html.parser
import re

import pytest

from bert_wwm.masking.corruption import Kind
from bert_wwm.report.charts import Chart
from bert_wwm.report.page import make_page
from bert_wwm.report.statistics import Wholeness
from bert_wwm.report.verdict import judge

VOID = {"meta"}


class Checker(html.parser.HTMLParser):
    """Checks that every element ends where it should; keeps tags, attributes and text."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data)


def read(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert not checker.open
    return checker


@pytest.fixture
def page(make):
    words = [["<", "b>"], ["人", "民"], ["be", "##rt"]]
    kinds = {1: Kind.MASK, 2: Kind.RANDOM, 3: Kind.KEPT, 6: Kind.MASK}
    labels = {"pos_labels": [0, 1, 2, 77], "target_positions": [1, 2, 3, 4]}
    example = make([words], kinds, shown={2: "&"}, where="<x> & y", pair_label=1, labels=labels)
    charts = [
        Chart("<Kinds>", "all 4 & more", "75.0 % [MASK]; expected 80 %"),
        Chart("Labels", "a sample", ", ".join(f"12.5 % <{n}>" for n in range(8))),
        Chart("[UNK]", "a sample", "10.0 % of all: <×4, &amp;×1"),
    ]
    verdict = judge(Wholeness(1000, 990, 1000.0, 70.0), ["wwm"], ["ltp"])
    return make_page(verdict, {"<Files>": "<a>.tfr & b"}, charts, [example], "nsp")


def test_every_element_ends_and_every_text_is_itself(page):
    text = "".join(read(page).text)
    for part in ("<x> & y: 8 tokens, 4 to predict, random next segment", "<Kinds>", "all 4 & more"):
        assert part in text
    for part in ("<files>", "<a>.tfr & b", "12.5 % <7>", "&amp;×1", "b>&"):
        assert part in text


def test_it_needs_nothing_else(page):
    tags = read(page).tags
    names = {name for name, _ in tags}
    assert not names & {"script", "link", "img", "iframe", "object", "a"}
    assert not {key for _, attributes in tags for key in attributes} & {"src", "href", "srcset"}
    assert not re.search(r"https?:|url\(|@import", page)
    assert ("meta", {"charset": "utf-8"}) in tags


def test_the_answer_comes_first(page):
    text = "".join(read(page).text)
    assert text.index("Yes: whole words are masked.") < text.index("<files>")
    assert text.index("<files>") < text.index("Statistics") < text.index("Examples")
    assert "99.0 %" in text and "7.0 %" in text and "75.0 % [MASK]; expected 80 %" in text


def test_marks_and_words(page):
    marks = [attributes for tag, attributes in read(page).tags if tag == "mark"]
    legend, shown = marks[:3], marks[3:]
    assert [mark["class"] for mark in legend] == ["mask", "random", "kept"]
    assert [mark["class"] for mark in shown] == ["mask", "random", "kept", "mask"]
    assert shown[1]["title"] == "position 2, v, target position 2"
    assert shown[3]["title"] == "position 6, 77, target position 4"
    assert "<ruby>b&gt;<rt>&amp;</rt></ruby>" in page
    assert page.count('<span class="word long">') == 3


def test_without_examples_and_without_words(make):
    page = make_page(judge(Wholeness(), [], ["characters"]), {}, [], [], None)
    text = "".join(read(page).text)
    assert "Can't tell" in text
    assert "Examples" not in text and "selected as a" not in text
