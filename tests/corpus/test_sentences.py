import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.corpus.sentences import LONGEST_QUOTATION, split_sentences


@pytest.mark.parametrize(
    "text, sentences",
    [
        ("他说：“走吧！”大家走了。", ["他说：“走吧！”", "大家走了。"]),
        ("价格3.5元；好…… 不错", ["价格3.5元；", "好……", "不错"]),
        ("真的吗？！（是）。", ["真的吗？！", "（是）。"]),
        ("", []),
        (" 。 ", ["。"]),
        ("没有句号", ["没有句号"]),
    ],
)
def test_examples(text, sentences):
    assert split_sentences(text) == sentences


@pytest.mark.parametrize(
    "text, sentences",
    [
        ("他说：“好。走吧！我们走。”大家走了。", ["他说：“好。走吧！我们走。”", "大家走了。"]),
        ("「好。『走？』走！」他說。", ["「好。『走？』走！」", "他說。"]),
        ("“‘好。’他说。”走。", ["“‘好。’他说。”", "走。"]),
        ('他说"好。走！"大家走。', ['他说"好。走！"', "大家走。"]),
        ("他（真的吗？谁知道。）走了。", ["他（真的吗？谁知道。）走了。"]),
        ("他走了。（完。下回再说。）又来了。", ["他走了。", "（完。下回再说。）", "又来了。"]),
        ("【注意！】请看。", ["【注意！】", "请看。"]),
        ("《走吧！》是电影。《你好；再见》也是。", ["《走吧！》是电影。", "《你好；再见》也是。"]),
        ("《走吧！》", ["《走吧！》"]),
        ("“好。 ”走。", ["“好。 ”", "走。"]),
    ],
)
def test_quotations_and_brackets_stay_whole(text, sentences):
    assert split_sentences(text) == sentences


@pytest.mark.parametrize(
    "text, sentences",
    [
        ("“开头。下一句。再下一句", ["“开头。", "下一句。", "再下一句"]),
        ("开头。”下一句。", ["开头。”", "下一句。"]),
        ("（“好。走！”他说。", ["（“好。走！”", "他说。"]),
        ("“一（二。”三。）四。", ["“一（二。”", "三。）", "四。"]),  # crossed
        ('屏幕5"。很好。"是。"', ['屏幕5"。', "很好。", '"是。"']),
        ("好！”。下一句。", ["好！”。", "下一句。"]),
    ],
)
def test_marks_without_a_partner_hold_nothing_together(text, sentences):
    assert split_sentences(text) == sentences


def test_a_quotation_that_is_too_long_is_cut_and_its_inner_ones_are_not():
    inner = "他说：“好。走！”"
    short = "一" * (LONGEST_QUOTATION - 3) + "。"
    assert split_sentences(f"“{short}好”。二。") == [f"“{short}好”。", "二。"]
    assert split_sentences(f"“{short}好好”。二。") == [f"“{short}", "好好”。", "二。"]
    assert split_sentences(f"「{short}{inner}」三。") == [f"「{short}", f"{inner}」", "三。"]


@pytest.mark.parametrize(
    "text, sentences",
    [
        ("“好！”，他说。", ["“好！”，他说。"]),
        ("喊“加油！”的人。", ["喊“加油！”的人。"]),
        ("喊“加油！”的确。", ["喊“加油！”", "的确。"]),
        ("看x.cn/?page=2吧!好!A股?", ["看x.cn/?page=2吧!", "好!", "A股?"]),
    ],
)
def test_what_follows_tells_whether_it_was_an_end(text, sentences):
    assert split_sentences(text) == sentences


@pytest.mark.parametrize(
    "text, sentences",
    [
        ("This is it. Next one.", ["This is it.", "Next one."]),
        ("In 2019. The end.", ["In 2019.", "The end."]),
        ('He said "Go." And went.', ['He said "Go."', "And went."]),
        ("By Mr. Smith of the U.S. Army, et al. In 3.5 days.", None),
        ("学习 Python. 然后走。", None),
        ("1. First", None),
        ("a.b C", None),
    ],
)
def test_full_stops_end_english_sentences_only(text, sentences):
    assert split_sentences(text) == (sentences or [text])


@given(st.text(st.sampled_from("一二。！”“‘’（）《》「」'\"；…,，的 \nA."), max_size=40))
def test_nothing_but_white_space_is_lost(text):
    sentences = split_sentences(text)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence and sentence == sentence.strip() for sentence in sentences)


@given(st.text(st.sampled_from("一二。！”“（）《》「」；…，的"), max_size=40))
def test_pairs_are_never_parted(text):
    """Where all marks are balanced, they are in each sentence."""
    pairs = {"”": "“", "）": "（", "》": "《", "」": "「"}

    def balanced(part):
        stack = []
        for char in part:
            if char in pairs.values():
                stack.append(char)
            elif char in pairs and (not stack or stack.pop() != pairs[char]):
                return False
        return not stack

    if balanced(text):
        assert all(map(balanced, split_sentences(text)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["“", "(", '"', "“（", "x（。）", "。”", "。 ”", "（。）", ".'", "ab. A", "\n ", "“”", "的。"],
)
def test_time_is_linear(text):
    """A square of the length would take minutes."""
    begun = time.process_time()
    split_sentences(text * (100_000 // len(text)) + ")」”")
    assert time.process_time() - begun < 5
