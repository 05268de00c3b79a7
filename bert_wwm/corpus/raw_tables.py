"""Tables with a column of text: CSV, and values parted by tabs."""

import csv
from collections.abc import Iterator

from bert_wwm.core import files
from bert_wwm.core.errors import DataError

_LONGEST_CELL = 1 << 26  # characters; Python's own limit is 128 K


def read_cells(path: str, column: str, delimiter: str = "") -> Iterator[tuple[int, int, str]]:
    """Yields the cells of a column.

    In CSV a cell may be quoted, and then go over several lines; where tabs part the cells a
    quotation mark is text. The first row names the columns. Lines without any cell are passed over.

    Args:
        path: the file, compressed by gzip or not.
        column: its name in the first row.
        delimiter: what parts the cells; empty: a tab where the name ends in ``.tsv`` or
            ``.tsv.gz``, otherwise a comma.

    Yields:
        The line where its row begins, the bytes of text up to where it ends, and the cell.

    Raises:
        DataError: there is no such column, a row ends before it, or the file is no table.
    """
    if not delimiter:
        delimiter = "\t" if path.lower().endswith((".tsv", ".tsv.gz")) else ","
    csv.field_size_limit(_LONGEST_CELL)
    lines = _Lines(path)
    if delimiter == "\t":
        rows = csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE, strict=True)
    else:
        rows = csv.reader(lines, delimiter=delimiter, strict=True)
    columns: list[str] = []
    begin = 1
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{path}:{begin}: the row that begins here is no row of a table ({error})"
            ) from None
        if row and not columns:
            columns = [name.strip() for name in row]
            if column not in columns:
                raise DataError(
                    f"{path}:{begin}: there is no column {column!r}; expected --text_field to be "
                    f"one of {', '.join(columns)}"
                )
        elif row:
            if len(row) <= columns.index(column):
                raise DataError(
                    f"{path}:{begin}: a row of {len(row)} cells, which ends before the column "
                    f"{column!r}; expected {len(columns)} cells"
                )
            yield begin, lines.bytes, row[columns.index(column)]
        begin = rows.line_num + 1


class _Lines:
    """The lines of a file as csv.reader wants them; ``bytes`` is how much was read."""

    def __init__(self, path: str):
        self._path = path
        self._lines = enumerate(files.read_lines(path), 1)
        self.bytes = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        number, line = next(self._lines)
        if "\0" in line:
            raise DataError(f"{self._path}:{number}: holds a NUL byte; expected text")
        self.bytes += len(line.encode("utf-8")) + 1
        return line + "\n"
