"""Finds a header that was read as the first example of a file."""

from collections.abc import Iterator, Sequence

# What headers call the columns, in lower case.
_LABEL_NAMES = frozenset(
    "label labels gold_label label_desc class classes category tag tags ner_tag ner_tags target "
    "quality sentiment polarity intent 标签 标注 标记 类别 类型 类 分类 情感 情感倾向 意图".split()
)
_TEXT_NAMES = frozenset(
    "text text_a sentence sentence1 sentence2 premise hypothesis query question title content "
    "review comment token word char 文本 句子 句子1 句子2 内容 标题 评论 正文 字 词".split()
)


def header_note(
    path: str,
    line: str,
    texts: Sequence[str],
    label: str | None,
    count: int,
    label_column: str = "",
) -> Iterator[str]:
    """Yields a sentence if the first example of a file looks like a header.

    It does if only it has its label, and this is ``label_column`` or, like one of its texts, a
    usual name of a column.
    """
    if label is None or count != 1:
        return
    name = label.lower()
    if (
        name in _LABEL_NAMES
        or name == label_column.lower()
        or any(text.strip().lower() in _TEXT_NAMES for text in texts)
    ):
        yield (
            f"{path}:{line}: the label {label!r} occurs only here, so that this line looks like a "
            "header, but it is read as an example; expected no header, or no second one"
        )
