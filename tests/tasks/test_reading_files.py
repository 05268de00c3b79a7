import gzip
import json
import random
import re

import pytest

from bert_wwm.core.errors import DataError
from bert_wwm.tasks.examples import NO, SPAN, UNANSWERABLE, YES, Answer
from bert_wwm.tasks.reading_files import find_answer, find_misplaced, read_questions
from bert_wwm.tasks.table import TASKS


def squad(*qas, context="我们在学习使用语言模型"):
    return {"version": "1", "data": [{"paragraphs": [{"context": context, "qas": list(qas)}]}]}


def qa(name="1", answers=(), **more):
    answers = [{"text": text, "answer_start": start} for text, start in answers]
    return {"id": name, "question": "什么？", "answers": answers, **more}


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "data.json"
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def read(reader, path):
    notes = []
    return reader(path, notes.append), notes


def test_squads_form(write):
    (question,), notes = read(read_questions, write(squad(qa("a", [("学习", 3), ("语言", 7)]))))
    assert question.id == "a" and question.context == "我们在学习使用语言模型"
    assert question.answers == (Answer("学习", 3), Answer("语言", 7))
    assert question.answer_type == SPAN and notes == []


def test_cmrcs_own_form(write):
    qas = [{"query_id": "Q_0", "query_text": "什么？", "answers": ["学习", "模型"]}]
    content = [{"context_id": "Q", "context_text": "我们在学习", "title": "", "qas": qas}]
    (question,), notes = read(read_questions, write(content))
    assert question.id == "Q_0" and question.answers == (Answer("学习"), Answer("模型"))
    assert notes == []


def test_files_without_answers(write):
    without = qa("b")
    del without["answers"]
    questions, notes = read(read_questions, write(squad(qa("a"), without)))
    assert [question.answers for question in questions] == [(), ()]
    assert notes == []


def test_compressed_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "data.json.gz"
    path.write_bytes(gzip.compress(("\ufeff" + json.dumps(squad(qa()))).encode("utf-8")))
    assert len(read(read_questions, str(path))[0]) == 1


def test_unanswerable_of_squad2(write):
    path = write(
        squad(
            qa("a", is_impossible=True),
            qa("b", [("学习", 3)], is_impossible=False),
            qa("c", [("学习", 3)], is_impossible=True),
        )
    )
    questions, notes = read(TASKS["squad2"].read, path)
    assert [q.answer_type for q in questions] == [UNANSWERABLE, SPAN, SPAN]
    assert questions[0].answers == (Answer(""),)
    assert notes == [
        f"{path}: 1 of 3 questions are marked impossible but have an answer; the answer counts"
    ]
    with pytest.raises(DataError, match=r"data\[0\].paragraphs\[0\].qas\[0\]: is_impossible is"):
        read(read_questions, path)


def test_types_of_cjrc(write):
    path = write(
        squad(
            qa("yes", [("YES", -1), ("NO", -1)], is_impossible="false"),
            qa("no", [("NO", -1)], is_impossible="false"),
            qa("none", [("", -1)], is_impossible="true"),
            qa("none too", is_impossible="true"),
            qa("a word", [("NO", 2)], is_impossible="false"),
            qa("not told", is_impossible=""),
            context="有YNO和语言",
        )
    )
    questions, notes = read(TASKS["cjrc"].read, path)
    types = {question.id: question.answer_type for question in questions}
    assert types == {
        "yes": YES,
        "no": NO,
        "none": UNANSWERABLE,
        "none too": UNANSWERABLE,
        "a word": SPAN,
        "not told": SPAN,
    }
    assert questions[-1].answers == ()
    assert notes == [
        f"{path}: 1 of 6 questions have no answer, and are neither trained on nor scored; "
        "first: not told"
    ]


def test_notes_on_answers_that_are_elsewhere(write):
    path = write(squad(qa("a", [("学习", 4)]), qa("b", [("中国", 0)]), qa("c", [("学习", 3)])))
    questions, notes = read(read_questions, path)
    assert find_misplaced(questions) == (3, ["a"], ["b"])
    assert notes == [
        f"{path}: 1 of 3 answers aren't where answer_start says; the nearest occurrence is taken; "
        "first: a",
        f"{path}: 1 of 3 answers aren't in the context at all, and are not trained on; first: b",
    ]


def test_note_on_empty_contexts(write):
    path = write(squad(qa("a"), context=" "))
    assert read(read_questions, path)[1] == [
        f"{path}: 1 of 1 questions have an empty context; first: a"
    ]


CONTEXT = "甲乙甲丙甲"


@pytest.mark.parametrize(
    ("answer", "span", "first"),
    [
        (Answer("甲", 0), (0, 1), (0, 1)),
        (Answer("甲", 2), (2, 3), (0, 1)),
        (Answer("甲", 3), (2, 3), (0, 1)),  # of two that are equally near the earlier
        (Answer("甲", 100), (4, 5), (0, 1)),
        (Answer("甲丙", 0), (2, 4), (2, 4)),
        (Answer("甲乙", 3), (0, 2), (0, 2)),
        (Answer("甲"), (0, 1), (0, 1)),
        (Answer("丁", 0), None, None),
        (Answer("", 0), None, None),
        (Answer(" ", 0), None, None),
        (Answer("甲 乙", 0), None, None),
    ],
)
def test_answer_span(answer, span, first):
    assert find_answer(CONTEXT, answer) == span
    assert find_answer(CONTEXT, answer, hfl_compat=True) == first


def test_the_nearest_occurrence_in_long_contexts():
    rng = random.Random(1)
    for _ in range(300):
        length = rng.randint(1, 1500)
        context = "".join(rng.choices("甲乙", weights=[1, rng.choice([1, 50, 500])], k=length))
        text = "甲" + "乙" * rng.choice([0, 1, 40])
        place = rng.randint(0, length + 700)
        found = [match.start() for match in re.finditer(f"(?={text})", context)]
        expected = min(found, key=lambda start: (abs(start - place), start), default=None)
        span = find_answer(context, Answer(text, place))
        assert span == (None if expected is None else (expected, expected + len(text)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r":1: broken at column 2 \(Expecting property name"),
        ("", r":1: broken at column 1 \(Expecting value"),
        ("3", r": is 3; expected an object with 'data', or a list"),
        ({}, r": has no 'data'; expected a list of that name"),
        ('{"data": [], "data": []}', r": an object has 'data' twice; expected each name once"),
        ({"data": {}}, r": data: is \{\}; expected a list"),
        ({"data": []}, r": holds no question; expected at least one"),
        ({"data": [1]}, r": data\[0\]: is 1; expected an object"),
        ({"data": [{}]}, r": data\[0\]: has no 'paragraphs'; expected a list of that name"),
        (squad(qa(), context=None), r": data\[0\].paragraphs\[0\].context: is null; expected a t"),
        (squad(3), r"qas\[0\]: is 3; expected an object"),
        (squad({"id": "1"}), r"qas\[0\]: has no 'question'; expected a text of that name"),
        (squad(qa(7)), r"qas\[0\].id: is 7; expected a text"),
        (squad(qa(answers=[("学", "3")])), r'answers\[0\].answer_start: is "3"; expected a whole'),
        (squad(qa(answers=[("学", True)])), r"answers\[0\].answer_start: is true; expected a whol"),
        (squad(qa(answers=[(5, 1)])), r"answers\[0\].text: is 5; expected a text"),
        (squad(qa(is_impossible="no")), r"qas\[0\].is_impossible: is 'no'; expected true or"),
        (
            squad(qa("x"), qa("y"), qa("x")),
            r"paragraphs\[0\].qas\[2\]: 'x' is already the id of data\[0\].paragraphs\[0\].qas\[0",
        ),
        ([3], r": \[0\]: is 3; expected an object"),
        ([{"context_text": "", "qas": [3]}], r": \[0\].qas\[0\]: is 3; expected an object"),
        (
            [{"context_text": "", "qas": [{"query_id": "", "query_text": "", "answers": [1]}]}],
            r": \[0\].qas\[0\].answers\[0\]: is 1; expected a text",
        ),
    ],
)
def test_files_that_are_wrong(write, content, message):
    path = write(content)
    with pytest.raises(DataError, match=message) as error:
        read(read_questions, path)
    assert str(error.value).startswith(path)


def test_answers_of_real_files(samples):
    train, notes = read(read_questions, str(samples / "cmrc2018/cmrc2018_train.json"))
    assert len(train) == 36
    assert [note.partition(": ")[2] for note in notes] == [
        "2 of 36 answers aren't where answer_start says; the nearest occurrence is taken; first: "
        "TRAIN_2283_QUERY_1"
    ]
    drcd, notes = read(read_questions, str(samples / "drcd/DRCD_dev.json"))
    assert len(drcd) == 28 and notes == []
    for question in drcd:
        assert [find_answer(question.context, answer) for answer in question.answers] == [
            (answer.start, answer.start + len(answer.text)) for answer in question.answers
        ]
    first = [q for q in drcd if find_answer(q.context, q.answers[0], True)[0] != q.answers[0].start]
    assert 0 < len(first) < len(drcd)


def test_cmrcs_two_forms_are_the_same(samples):
    released, _ = read(read_questions, str(samples / "cmrc2018/cmrc2018_trial.json"))
    own, _ = read(read_questions, str(samples / "cmrc2018/cmrc2018_trial_original_format.json"))
    assert len(released) == 28
    assert [(q.id, q.question, q.context) for q in released] == [
        (q.id, q.question.strip(), q.context) for q in own
    ]
    assert [[a.text for a in q.answers] for q in released] == [
        [a.text for a in q.answers] for q in own
    ]
