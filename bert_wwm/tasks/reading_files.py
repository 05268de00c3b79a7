"""Reads the files of reading comprehension, and finds their answers in the contexts.

All are JSON: SQuAD's form, which DRCD, CJRC and the released CMRC 2018 share, or the form in which
CMRC 2018 was first released: a list.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from bert_wwm.core.errors import DataError
from bert_wwm.core.json_files import read_json
from bert_wwm.tasks.examples import NO, SPAN, UNANSWERABLE, YES, Answer, Question
from bert_wwm.tasks.json_values import TYPE_NAMES, check_type
from bert_wwm.tasks.task import Note

_IMPOSSIBLE = {True: True, False: False, "true": True, "false": False, "": False}
_FIRST_REACH, _GROWTH = 64, 8  # characters on both sides of a place, and by what they grow


def read_questions(
    path: str, note: Note, answer_types: Collection[str] = (SPAN,)
) -> list[Question]:
    """Reads questions; ``answer_types`` are those that their answers may have.

    The first answer says of what type it is. ``is_impossible``, in CJRC the text "true" or "false",
    isn't always right; it counts only where there is no answer.
    """
    content = read_json(path)
    if isinstance(content, list):
        found = _cmrc_questions(path, content)
    elif isinstance(content, dict):
        found = _squad_questions(path, content)
    else:
        raise DataError(f"{path}: is {content!r}; expected an object with 'data', or a list")
    questions: list[Question] = []
    places: dict[str, str] = {}
    contradictions = 0
    for place, question, is_impossible in found:
        if is_impossible and UNANSWERABLE not in answer_types:
            raise DataError(
                f"{path}: {place}: is_impossible is true; expected questions that the context "
                "answers (squad2 and cjrc have others)"
            )
        if places.setdefault(question.id, place) != place:
            raise DataError(
                f"{path}: {place}: {question.id!r} is already the id of "
                f"{places[question.id]}; expected every id once"
            )
        if is_impossible and not question.answers:
            question = question._replace(answers=(Answer(""),))
        if UNANSWERABLE in answer_types:
            question = question._replace(answer_type=_answer_type(question, answer_types))
        contradictions += is_impossible and question.answer_type != UNANSWERABLE
        questions.append(question)
    if not questions:
        raise DataError(f"{path}: holds no question; expected at least one")
    _tell(path, questions, contradictions, note)
    return questions


def find_answer(context: str, answer: Answer, hfl_compat: bool = False) -> tuple[int, int] | None:
    """Finds the half-open span of an answer's characters in its context; None if it doesn't occur.

    It is at ``answer.start``, else the occurrence nearest to that, of two the earlier. White space
    and the width of characters count. ``hfl_compat`` takes the first occurrence whatever
    ``answer.start`` says, as HFL's code for CMRC 2018 does; of DRCD's answers, that is another than
    the annotator's for one in seven.
    """
    text = answer.text
    if not text.strip():
        return None
    if hfl_compat or answer.start < 0:
        start = context.find(text)
    elif context.startswith(text, answer.start):
        start = answer.start
    else:
        start = _find_nearest(context, text, answer.start)
    return (start, start + len(text)) if start >= 0 else None


def _find_nearest(context: str, text: str, place: int) -> int:
    """Returns where the occurrence nearest to a place starts, of two the earlier; -1 without any.

    Most are a few characters away: the time depends on how far, not on the context's length.
    """
    reach = _FIRST_REACH
    while True:
        begin = max(place - reach, 0)
        before = context.rfind(text, begin, place + len(text))
        start = context.find(text, place, place + reach + len(text))
        if before >= 0 and (start < 0 or place - before <= start - place):
            start = before
        if start >= 0 or (begin == 0 and place + reach >= len(context)):
            return start
        reach *= _GROWTH


def find_misplaced(questions: Sequence[Question]) -> tuple[int, list[str], list[str]]:
    """Counts first answers that are spans; finds those that aren't where ``answer_start`` says.

    Returns the count, and the ids of questions whose answer is elsewhere, or nowhere.
    """
    count = 0
    moved, missing = [], []
    for question in questions:
        if question.answer_type != SPAN or not question.answers:
            continue
        count += 1
        answer = question.answers[0]
        span = find_answer(question.context, answer)
        if span is None:
            missing.append(question.id)
        elif 0 <= answer.start != span[0]:
            moved.append(question.id)
    return count, moved, missing


def _answer_type(question: Question, answer_types: Collection[str]) -> str:
    if not question.answers:
        return SPAN
    text, start = question.answers[0]
    if not text.strip():
        return UNANSWERABLE
    # A context may hold the word, and an answer point to it.
    is_in_context = start >= 0 and question.context.startswith(text, start)
    if YES in answer_types and text.strip() in (YES, NO) and not is_in_context:
        return text.strip()
    return SPAN


def _tell(path: str, questions: Sequence[Question], contradictions: int, note: Note) -> None:
    total = len(questions)
    num_spans, moved, missing = find_misplaced(questions)
    unknown = [question.id for question in questions if not question.answers]
    if len(unknown) == total:  # a file to predict
        unknown = []
    empty = [question.id for question in questions if not question.context.strip()]
    if contradictions:
        note(
            f"{path}: {contradictions:,} of {total:,} questions are marked impossible "
            "but have an answer; the answer counts"
        )
    nearest = "answers aren't where answer_start says; the nearest occurrence is taken"
    nowhere = "answers aren't in the context at all, and are not trained on"
    for ids, count, what in (
        (moved, num_spans, nearest),
        (missing, num_spans, nowhere),
        (unknown, total, "questions have no answer, and are neither trained on nor scored"),
        (empty, total, "questions have an empty context"),
    ):
        if ids:
            note(f"{path}: {len(ids):,} of {count:,} {what}; first: {ids[0]}")


def _squad_questions(path: str, content: dict[str, Any]) -> Iterator[tuple[str, Question, bool]]:
    """Yields of each question its place, itself, and whether it is marked as impossible."""
    for a, article in enumerate(_field(path, "", content, "data", list)):
        paragraphs = _field(path, f"data[{a}]", article, "paragraphs", list)
        for p, paragraph in enumerate(paragraphs):
            place = f"data[{a}].paragraphs[{p}]"
            context = _field(path, place, paragraph, "context", str)
            for q, entry in enumerate(_field(path, place, paragraph, "qas", list)):
                where = f"{place}.qas[{q}]"
                question = Question(
                    _field(path, where, entry, "id", str),
                    _field(path, where, entry, "question", str),
                    context,
                    _squad_answers(path, where, entry),
                )
                yield where, question, _is_impossible(path, where, entry)


def _squad_answers(path: str, place: str, entry: dict[str, Any]) -> tuple[Answer, ...]:
    if "answers" not in entry:
        return ()
    answers = []
    for number, answer in enumerate(_field(path, place, entry, "answers", list)):
        where = f"{place}.answers[{number}]"
        text = _field(path, where, answer, "text", str)
        has_start = "answer_start" in answer
        start = _field(path, where, answer, "answer_start", int) if has_start else -1
        answers.append(Answer(text, max(start, -1)))
    return tuple(answers)


def _is_impossible(path: str, place: str, entry: dict[str, Any]) -> bool:
    value = entry.get("is_impossible", False)
    if not isinstance(value, (bool, str)) or value not in _IMPOSSIBLE:
        raise DataError(f"{path}: {place}.is_impossible: is {value!r}; expected true or false")
    return _IMPOSSIBLE[value]


def _cmrc_questions(path: str, content: list[Any]) -> Iterator[tuple[str, Question, bool]]:
    """The same of CMRC's own form, which says of no answer where it stands."""
    for c, entry in enumerate(content):
        context = _field(path, f"[{c}]", entry, "context_text", str)
        for q, qa in enumerate(_field(path, f"[{c}]", entry, "qas", list)):
            where = f"[{c}].qas[{q}]"
            check_type(f"{path}: {where}:", qa, dict)
            texts = _field(path, where, qa, "answers", list) if "answers" in qa else []
            for number, text in enumerate(texts):
                check_type(f"{path}: {where}.answers[{number}]:", text, str)
            question = Question(
                _field(path, where, qa, "query_id", str),
                _field(path, where, qa, "query_text", str),
                context,
                tuple(Answer(text) for text in texts),
            )
            yield where, question, False


def _field(path: str, place: str, entry: Any, name: str, kind: type) -> Any:
    """Returns a field of an object, which has to be there and of a type."""
    check_type(f"{path}: {place}:", entry, dict)
    if name not in entry:
        where = f"{place}: " if place else ""
        raise DataError(f"{path}: {where}has no {name!r}; expected {TYPE_NAMES[kind]} of that name")
    check_type(f"{path}: {place}.{name}:" if place else f"{path}: {name}:", entry[name], kind)
    return entry[name]
