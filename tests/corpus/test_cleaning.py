import html
import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bert_wwm.corpus.cleaning import Cleaned, clean, measure_text_share


def cleaned(text):
    return "\n".join(clean(text).lines)


def test_example():
    assert clean("<p>使用&nbsp;语言\u200b模型（）</p>") == Cleaned(["使用 语言模型"], 2, 1)


@pytest.mark.parametrize(
    "text, expected, tags",
    [
        ("<b>粗</b><I>斜</I><font color=red size='2'>红</font>", "粗斜红", 6),
        ('看<a href="http://a.cn/?b=1&c" target=_blank>这里</a>。', "看这里。", 2),
        ("一<br>二<br/>三<BR />四<p>五</p>六", "一\n二\n三\n四\n五\n六", 5),
        ("<tr><td>一</td><td nowrap>二</td></tr>", "一 二", 6),
        ("<input type=checkbox checked>好", "好", 1),
        ("<!-- 注\n释 < > -->好<!DOCTYPE html><?xml version='1.0'?>", "好", 3),
        ("甲<script type='a'>if (a<b) {}\n</script>乙<STYLE>p {}</STYLE >丙", "甲\n乙\n丙", 2),
        ("甲<script>没有结尾", "甲没有结尾", 1),
        ("文<ref name=a/>字<ref>注</ref>", "文字注", 3),
        ("<h1>题</h1>\n\n<div class=x>文</div>", "题\n文", 4),
        ("甲<!-->乙<!--->丙<!---->丁<!-- -->戊", "甲\n乙\n丙\n丁\n戊", 4),
        ("甲<img alt='1 > 2' title=\"a>b\">乙", "甲乙", 1),
        ("甲<img alt=\"<b>粗</b> > 细\" width=1/>乙<a href='<p>'>丙</a>", "甲乙丙", 3),
        ('<!DOCTYPE html "a>b">甲<!DOCTYPE html "a>乙<p>"丙"', '甲\n乙\n"丙"', 3),
    ],
)
def test_html_goes(text, expected, tags):
    assert (cleaned(text), clean(text).tags) == (expected, tags)


@pytest.mark.parametrize(
    "text",
    [
        "<!-",
        '<a b="x 甲',
        "a<b，c>d",
        "a<b and c>d",
        "若 a < b 且 b > c",
        "<3 你",
        "《书》〈篇〉<书>",
        "vector<int> x; Map<K,V>; #include <stdio.h>",
        "List<String>",
        "x <- 3; y -> z; a<=b>=c; <>; </>",
        "print() a[i]() f(x)() a[[1, 2]]",
        "<!-- 没有结尾",
        "<a href=",
        "AT&T R&D &copy=3 &unknown; &amp &;",
        "全角ＡＢＣ１２３，（内）！",
        "1️⃣ ❤️ 👨\u200d👩\u200d👧 🏳️\u200d🌈",
        "葛\U000e0100城",
        "“引”‘号’…—·",
    ],
)
def test_text_stays(text):
    assert clean(text) == Cleaned([text], 0, 0)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("&lt;b&gt; &amp; &quot;x&quot; &#34; &#x4e00;", '<b> & "x" " 一'),
        ("一&nbsp二&amp;nbsp;三&nbsp;", "一 二 三"),
        ("零&#8203;宽&shy;&zwj;", "零宽"),
        ("一&#13;&#10;二&#0;", "一\n二"),
    ],
)
def test_entities_become_what_they_mean(text, expected):
    assert cleaned(text) == expected


@pytest.mark.parametrize(
    "char",
    "\x00\x08\x1b\x7f\x80\xad\u200b\u200c\u200d\u200e\u202e\u2060\u2066\ufeff\ufffc\ufffd"
    "\ue000\uf8ff\ud800\udfff\u3164\ufdd0\uffff\U000f0000\U0010ffff\U000e0041",
)
def test_invisible_characters_go(char):
    assert clean(f"一{char}二{char}") == Cleaned(["一二"], 0, 2)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("\x1b[31m红\x1b[0m字", "红字"),
        ("\x1b[1;38;5;196m粗\x1b[m", "粗"),
        ("\x1b[38:2::255:0:0m红\x1b[?25l\x1b[2J\x1b[10;20H字\x1b[K", "红字"),
        ("\x1b]0;标题\x07文\x1b]8;;http://a.cn\x1b\\链接\x1b]8;;\x1b\\", "文链接"),
        ("\x1bPq#0\x1b\\图", "图"),
        ("\x1b(B\x1b[m\x1b7甲\x1b8\x1b=乙", "甲乙"),
        ("\x1b[31m一\n二\x1b[0m", "一\n二"),
        # Without its end or its beginning it is text.
        ("\x1b]0;标题\n文", "]0;标题\n文"),
        ("\x1b[你\x1b[", "[你["),
        ("[31m红[0m ESC[31m \x9b31m", "[31m红[0m ESC[31m 31m"),
    ],
)
def test_escape_sequences_of_terminals_go(text, expected):
    assert cleaned(text) == expected
    removed = len(text) - len(expected)
    assert clean(text).invisible == removed


@pytest.mark.parametrize("blank", "\t\xa0\u2002\u2009\u202f\u3000\u2800\x1f")
def test_blanks_become_one_space(blank):
    assert cleaned(f"{blank}一{blank} {blank}二{blank}\n{blank}\n") == "一 二"


@pytest.mark.parametrize("end", ["\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\n\n"])
def test_line_ends_become_one(end):
    assert clean(f"一{end}二").lines == ["一", "二"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("北京（）是（，；）首都()。( , )", "北京是首都。"),
        ("英文（，拉丁文：x、y； ）。（；）（一）", "英文（拉丁文：x、y）。（一）"),
        ("[[北京]]是[[中国|中华]]的", "北京是中华的"),
        ("[[[一]]]", "[一]"),
        ("[[甲|乙|丙]]在[[文件:a.jpg|thumb||说明]]", "丙在说明"),
        ("（（））（(；)，（ ））首都(())（（，）甲（（））；）", "首都（甲）"),
        ("f(（）) f(()) （f()）（)(）（", "f() f() （f()）（)(）（"),
    ],
)
def test_leftovers_of_wikis_go(text, expected):
    assert cleaned(text) == expected


TEXTS = st.text(
    st.one_of(
        st.sampled_from("一二三。，<>/ab&;#（）()[]|\n\r\t \xa0\u3000\u200b\u200d👨\ufe0f'\"=-!"),
        st.characters(),
    ),
    max_size=60,
)


@given(TEXTS)
def test_lines_are_clean(text):
    for line in clean(text).lines:
        assert line and line == line.strip()
        assert "  " not in line
        assert not re.search("[\x00-\x1f\x7f-\x9f\u200b\ufeff\ue000-\uf8ff\ud800-\udfff]", line)


@given(TEXTS.filter(lambda text: not set(text) & set("<&（([\x1b")))
def test_nothing_but_what_is_documented_is_lost(text):
    """Without markup, what goes are blanks, and characters of category C or of those listed."""

    def visible(text):
        listed = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufffc\ufffd\u2800"
        kept = (
            char
            for char in text
            if not (
                char.isspace()
                or char in listed
                or unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs", "Cn")
            )
        )
        return "".join(kept)

    assert visible("".join(clean(text).lines)) == visible(text)


@given(st.text(st.sampled_from("一二a1。，<>&\"'“”； \n"), max_size=60))
def test_text_that_was_escaped_is_itself_again(text):
    assert cleaned(html.escape(text)) == "\n".join(
        line for line in (" ".join(line.split()) for line in text.split("\n")) if line
    )


@given(TEXTS)
def test_cleaning_twice_changes_nothing_unless_there_was_markup_to_uncover(text):
    if not set(text) & set("<&[（("):
        once = cleaned(text)
        assert clean(once) == Cleaned(once.split("\n") if once else [], 0, 0)


@pytest.mark.parametrize(
    "text, share",
    [("", 0), ("一二三。", 0.75), ("12 。\n…", 0), ("Ab c", 1), ("かな한글é1", 5 / 6)],
)
def test_text_share_is_measured(text, share):
    assert measure_text_share(text) == pytest.approx(share)


UNFINISHED = (
    *("<!--", "<", "<a ", "<a b=c ", "<a b='", "<script>", "</", "< ", f"<a{' ' * 99}", "&"),
    *(
        "&amp;",
        "（，",
        "，",
        "[[",
        "[[a|",
        "\n ",
        "\u200d",
        "(",
        "（",
        "（(",
        "(f(",
        "（）",
        "（）（",
        "[[a|b|",
        '<a b="',
        "<a b=\"' c='\" ",
        "<a b=\"<a c='",
        "<!doctype ",
        '<!doctype "',
        "<!doctype '\"",
        "<?xml ",
        "&#1",
        " \xa0",
        "\x1b",
        "\x1b[",
        "\x1b[0;",
        "\x1b]",
        "\x1b]0;a\n",
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("text", UNFINISHED)
def test_time_is_linear(text):
    """A square of the length would take minutes."""
    begun = time.process_time()
    clean(text * (200_000 // len(text)) + "-->")
    assert time.process_time() - begun < 4


def test_brackets_within_brackets_take_linear_time():
    begun = time.process_time()
    assert clean("（" * 100_000 + "）" * 100_000) == Cleaned([], 0, 0)
    assert time.process_time() - begun < 4
