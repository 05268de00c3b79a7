"""Files of tagged sentences: lines of a token and its tag, MSRA's own format, CLUENER's."""

import collections
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from bert_wwm.core import files
from bert_wwm.core.errors import DataError
from bert_wwm.core.json_files import parse_line
from bert_wwm.metrics.tag_notes import tag_notes, unfinished_note
from bert_wwm.metrics.tagging import OUTSIDE, Entity, seqeval_entities
from bert_wwm.tasks.examples import Tagged
from bert_wwm.tasks.header_rows import header_note
from bert_wwm.tasks.sentence_json import clue_line
from bert_wwm.tasks.task import Note

_SEPARATORS = " \t"  # no other blank: U+3000 is a token of Chinese text
_DOCUMENT = "-DOCSTART-"
# Lines that hold no token.
_END, _MARK = ("", ""), ("", _DOCUMENT)
_MSRA_TYPES = {"o": "", "nr": "PER", "ns": "LOC", "nt": "ORG"}
_EXPECTED_ENTITIES = 'expected {"type": {"entity": [[first, last], ...]}}'


def read_columns(path: str, note: Note) -> list[Tagged]:
    """Reads lines of a token and its tag, with an empty line after each sentence.

    Columns are separated by tabs if the first line has one, else by spaces. Of several columns the
    first is the token and the last its tag; if there is only one, there are no tags. A line that
    begins with a separator has a space as its token. Tags lose white space at their ends only.

    A line of spaces and tabs is empty. (So without tags a space can't be a token; U+3000 can.)
    """
    parser = _ColumnParser(path)
    parsed: dict[str, tuple[str, str]] = {}  # lines repeat, and strings of one line are kept once
    examples: list[Tagged] = []
    sentence: list[tuple[str, str]] = []
    marks = 0
    for number, line in enumerate(itertools.chain(files.read_lines(path), [""]), 1):
        pair = parsed.get(line)
        if pair is None:
            pair = parsed[line] = parser.parse(number, line)
        if pair[0]:
            sentence.append(pair)
            continue
        marks += pair is _MARK
        if sentence:
            tokens, tags = zip(*sentence)
            first = number - len(sentence)
            examples.append(Tagged(str(first), tokens, tags if parser.num_columns > 1 else None))
            sentence = []
    if not examples:
        raise DataError(
            f"{path}: has no sentence; expected lines of a token, a blank and its tag, and a blank "
            "line behind each sentence"
        )
    if marks:
        note(f"{path}: {marks:,} lines of {_DOCUMENT} are left out")
    _note_tags(path, examples, note)
    return examples


class _ColumnParser:
    """Splits lines; the first decides the separator and ``num_columns``, 0 before it is met."""

    def __init__(self, path: str):
        self.num_columns = 0
        self._path = path
        self._separator: str | None = None
        self._first_line = 0

    def parse(self, number: int, line: str) -> tuple[str, str]:
        """Returns the token of a line and its last column, or ``_END`` or ``_MARK``."""
        text = line.rstrip(_SEPARATORS)
        if not text:
            return _END
        if text.replace("\t", " ").split(" ")[0] == _DOCUMENT:
            return _MARK
        if not self.num_columns:
            self._separator = "\t" if "\t" in text else " "
        columns = [column for column in text.split(self._separator) if column]
        if text[0] == self._separator:
            columns.insert(0, " ")
        if not self.num_columns:
            self.num_columns, self._first_line = len(columns), number
        if len(columns) != self.num_columns:
            by = "tabs" if self._separator == "\t" else "blanks"
            raise DataError(
                f"{self._path}:{number}: the number of columns, parted by {by}, is {len(columns)}; "
                f"expected {self.num_columns}, as on line {self._first_line}"
            )
        if len(columns) == 1:
            return columns[0], ""
        tag = columns[-1].strip()
        if not tag:
            raise DataError(f"{self._path}:{number}: the tag is white space; expected a tag")
        return columns[0], tag


def _note_tags(path: str, examples: Sequence[Tagged], note: Note) -> None:
    sentences = [example.tags for example in examples if example.tags]
    if not sentences:
        return
    first, tag = examples[0], sentences[0][0]
    count = sum(tags.count(tag) for tags in sentences)
    for sentence in (
        *header_note(path, first.id, first.tokens[:1], tag, count),
        *tag_notes(path, sentences, [int(example.id) for example in examples]),
        *unfinished_note(path, sentences),
        *_illegal_notes(path, sentences),
    ):
        note(sentence)


def _illegal_notes(path: str, sentences: Sequence[Sequence[str]]) -> Iterator[str]:
    pairs = collections.Counter(
        itertools.chain.from_iterable(zip((OUTSIDE, *tags), tags) for tags in sentences)
    )
    counts: Counter[str] = collections.Counter()
    for (previous, tag), times in pairs.items():
        prefix, type_ = tag[:2], tag[2:]
        if prefix in ("I-", "M-") and previous not in {f"{p}-{type_}" for p in "BMI"}:
            counts[prefix] += times
    for prefix, count in counts.items():
        yield (
            f"{path}: {count:,} entities begin with {prefix}, not B-; their tags are kept as they "
            "are"
        )


def read_msra(path: str, note: Note) -> list[Tagged]:
    """Reads MSRA's corpus, as columns or in the format of the SIGHAN bakeoff 2006.

    The latter has a sentence a line, its parts with ``/nr`` (PER), ``/ns`` (LOC), ``/nt`` (ORG) or
    ``/o`` after each, separated by spaces; characters become the tokens, and tags are BIO. The
    first line decides which format it is.
    """
    first = next((line for line in files.read_lines(path) if line.strip(_SEPARATORS)), "")
    parts = first.split()
    if not parts or not all(part.rpartition("/")[2].lower() in _MSRA_TYPES for part in parts):
        return read_columns(path, note)
    examples = []
    empty = 0
    for number, line in enumerate(files.read_lines(path), 1):
        tokens: list[str] = []
        tags: list[str] = []
        for part in line.split(" "):
            if part:
                word, slash, name = part.rpartition("/")
                name = name.strip().lower()
                if not slash or name not in _MSRA_TYPES:
                    raise DataError(
                        f"{path}:{number}: {part[-40:]!r} has no tag; expected a word and one of "
                        f"{', '.join(f'/{name}' for name in _MSRA_TYPES)} behind it"
                    )
                empty += not word
                tokens += word
                tags += _bio_tags(_MSRA_TYPES[name], len(word))
        if tokens:
            examples.append(Tagged(str(number), tuple(tokens), tuple(tags)))
    if empty:
        note(f"{path}: {empty:,} tags with no word before them are left out")
    return examples


def _bio_tags(type_: str, length: int) -> list[str]:
    if not type_:
        return [OUTSIDE] * length
    return [f"{'I' if place else 'B'}-{type_}" for place in range(length)]


def read_cluener(path: str, note: Note) -> list[Tagged]:
    """Reads CLUENER's JSON lines: ``text``, ``label`` but in the test file, perhaps an ``id``.

    The label holds ``{"name": {"叶老桂": [[9, 11]]}}``, first and last character of each entity.
    Characters become the tokens, and tags are BIO. Of entities that overlap, the one that begins
    first is kept, and of those that begin together the longest.
    """
    examples: list[Tagged] = []
    dropped = 0
    for number, line in enumerate(files.read_lines(path), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        record = _record(where, line)
        text = record["text"]
        tags = None
        if record.get("label") is not None:
            entities = sorted(
                _entities(where, text, record["label"]), key=lambda one: (one.start, -one.end)
            )
            tags = [OUTSIDE] * len(text)
            end = 0
            for entity in entities:
                if entity.start < end:
                    dropped += 1
                    continue
                end = entity.end
                tags[entity.start : end] = _bio_tags(entity.type, end - entity.start)
        if examples and (tags is None) != (examples[0].tags is None):
            does, did = ("no", "one") if tags is None else ("a", "none")
            raise DataError(f"{where}: has {does} label; expected {did}, as in the first line")
        id_ = str(record.get("id", number))
        examples.append(Tagged(id_, tuple(text), None if tags is None else tuple(tags)))
    if not examples:
        raise DataError(f'{path}: is empty; expected lines of {{"text": ..., "label": ...}}')
    if dropped:
        note(f"{path}: {dropped:,} entities overlap with another and are left out")
    return examples


def _record(where: str, line: str) -> dict[str, Any]:
    record = parse_line(line, where, '{"text": ..., "label": ...}')
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise DataError(f'{where}: has no text; expected {{"text": ..., "label": ...}}')
    if any("\ud800" <= char <= "\udfff" for char in record["text"]):
        raise DataError(f"{where}: half a surrogate pair in the text; expected Unicode text")
    return record


def _entities(where: str, text: str, label: Any) -> Iterator[Entity]:
    for type_, of_type in _items(where, label):
        for name, spans in _items(where, of_type):
            if not isinstance(spans, list):
                raise DataError(f"{where}: {name!r} has no list of spans; {_EXPECTED_ENTITIES}")
            for span in spans:
                if not isinstance(span, list) or list(map(type, span)) != [int, int]:
                    raise DataError(f"{where}: {span!r} is no span; {_EXPECTED_ENTITIES}")
                first, last = span
                if not 0 <= first <= last < len(text) or text[first : last + 1] != name:
                    raise DataError(
                        f"{where}: {name!r} does not stand at {span}; "
                        "expected its first and its last character, counted from 0"
                    )
                yield Entity(type_.strip(), first, last + 1)


def _items(where: str, value: Any) -> Any:
    if not isinstance(value, dict):
        raise DataError(f"{where}: {str(value)[:40]!r} in the label; {_EXPECTED_ENTITIES}")
    return value.items()


def conll_lines(examples: Sequence[Tagged], predictions: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yields lines of a token, its tag if that is known, and the predicted one, separated by tabs.

    An empty line follows each sentence. A tab or line end that is a token becomes a space.
    """
    for example, predicted in zip(examples, predictions):
        tokens = [token.translate(_BLANKS) for token in example.tokens]
        columns = [tokens, predicted] if example.tags is None else [tokens, example.tags, predicted]
        yield from map("\t".join, zip(*columns))
        if tokens:
            yield ""


_BLANKS = str.maketrans("\t\r\n", "   ")


def cluener_lines(
    examples: Sequence[Tagged], predictions: Sequence[Sequence[str]]
) -> Iterator[str]:
    """Yields CLUENER's ``{"id": ..., "label": ...}``, with the label of ``read_cluener``."""
    for example, predicted in zip(examples, predictions):
        label: dict[str, dict[str, list[list[int]]]] = {}
        for type_, start, end in seqeval_entities(predicted):
            spans = label.setdefault(type_, {}).setdefault("".join(example.tokens[start:end]), [])
            spans.append([start, end - 1])
        yield clue_line(example.id, label)
