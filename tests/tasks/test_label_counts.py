"""The labels of a file in words."""

from bert_wwm.tasks.examples import (
    UNANSWERABLE,
    YES,
    Answer,
    Question,
    Sentence,
    Tagged,
    label_counts,
)


def test_the_most_frequent_come_first():
    texts = [Sentence(str(number), "甲", label="好评") for number in range(1200)]
    texts += [Sentence("a", "甲", label="差评"), Sentence("b", "甲", label="label")]
    assert label_counts(texts) == "好评 (1,200), label (1), 差评 (1)"
    assert label_counts([*texts, Sentence("c", "甲")]) == label_counts(texts)


def test_of_many_labels_the_rarest_is_shown():
    texts = [
        Sentence("1", "甲", label=f"{number:02}")
        for number in range(25)
        for _ in range(1 if number == 3 else 2)
    ]
    line = label_counts(texts)
    assert line.startswith("00 (2), 01 (2), 02 (2), 04 (2), ")
    assert line.endswith(", 20 (2) and 5 more, down to 03 (1)")
    assert label_counts(texts[:39]).endswith(", 03 (1)")


def test_tags_and_types_of_answers():
    sentences = [Tagged("1", ("中", "国", "好"), ("B-LOC", "I-LOC", "O")), Tagged("5", ("好",))]
    assert label_counts(sentences) == "B-LOC (1), I-LOC (1), O (1)"
    questions = [
        Question("1", "谁", "他", (Answer("他"),)),
        Question("2", "吗", "他", (Answer("YES"),), YES),
        Question("3", "谁", "他", (Answer(""),), UNANSWERABLE),
        Question("4", "吗", "他", (Answer("YES"),), YES),
        Question("5", "谁", "他"),
    ]
    assert label_counts(questions) == "YES (2), span (1), unanswerable (1)"


def test_a_file_without_labels_has_no_line():
    assert label_counts([Sentence("1", "甲")]) is None
    assert label_counts([]) is None
