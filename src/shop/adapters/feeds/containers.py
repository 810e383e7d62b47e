"""Delimited text files as people really send them, opened and counted."""

import codecs
import csv
import io
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from shop.core.catalog.source import SourceFault
from shop.ports.feeds import FeedUnreadable

#: Characters a field or a line may have. Pictures pasted into descriptions reach megabytes.
FIELD_MOST = 16 * 2**20
_LINE_MOST = 2 * FIELD_MOST
_CHUNK = 2**18
_IN_MEMORY = 2**20
_DELIMITERS = ",\t;"
_NO_WORD = re.compile(r"[\W_]+")
#: The reader's last line. No line of a file has this sign, see `_lines`.
_END = "\0"
_NOT_TEXT = {
    b"PK\x03\x04": "a spreadsheet or an archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"\x1f\x8b": "a compressed file",
    b"%PDF": "a PDF",
    b"\xff\xd8\xff": "a picture",
    b"\x89PNG": "a picture",
}


def header_name(cell: str) -> str:
    """What is compared of a column's name: its words. `Body (HTML)` and `body html` are one."""
    return _NO_WORD.sub(" ", cell.casefold()).strip()


class Sheet:
    """A delimited file whose columns are known. `columns` gives the place of each field."""

    def __init__(
        self,
        file: BinaryIO,
        *,
        encoding: str,
        dialect: tuple[str, str],
        columns: Mapping[str, int],
        width: int,
    ) -> None:
        self._file = file
        self._start = file.tell()
        self._encoding = encoding
        self._outer, self._inner = dialect
        self.columns = columns
        self.width = width

    def records(self) -> Iterator[tuple[int, list[str]] | SourceFault]:
        """Yield (record number, cells) from the first record, whenever it is called.

        Records of the wrong width are refused one by one; blank ones end in one line at the end.
        """
        first_blank = blanks = number = line = 0
        rows = self._rows()
        try:
            next((row for row in rows if any(row)), None)  # the header
            if rows.unclosed:
                raise FeedUnreadable("A quotation mark in the header is never closed.")
            before = rows.line_num
            for number, cells in enumerate(rows, 1):
                line = rows.line_num
                if not any(cells) or not any(map(str.strip, cells)):
                    blanks += 1
                    first_blank = first_blank or number
                elif rows.unclosed:
                    yield _unclosed(number, line - before - 1)
                elif len(cells) == self.width:
                    yield number, cells
                else:
                    yield _ragged(number, len(cells), self.width, line - before)
                before = line
        except csv.Error as wrong:
            raise FeedUnreadable(
                f"Record {number + 1} cannot be read: a field is longer than {FIELD_MOST:,} "
                "characters or broken. A quotation mark may not be closed.",
                record=number + 1,
            ) from wrong
        finally:
            rows.close()
        if blanks:
            noun = "record was" if blanks == 1 else "records were"
            yield SourceFault(
                record=first_blank,
                code="blank-records",
                message=f"{blanks} blank {noun} skipped.",
                refused=False,
            )

    def _rows(self) -> "_Rows":
        self._file.seek(self._start)
        return _Rows(self._file, self._encoding, self._outer, self._inner)


class _Rows(Iterator[list[str]]):
    """The rows of the file, and the number of lines read so far.

    `unclosed`: a quotation mark of the row just read is never closed, so that the row took all
    lines to the end of the file. csv alone would not tell.
    """

    unclosed = False

    def __init__(self, file: BinaryIO, encoding: str, outer: str, inner: str) -> None:
        # No newline translation: a quoted newline belongs to its field as it stands.
        self._text = io.TextIOWrapper(file, encoding, errors="replace", newline="")
        lines = _lines(self._text)
        if outer:
            lines = _unquoted(csv.reader(lines, delimiter=outer))
        self._reader = csv.reader(chain(lines, [_END]), delimiter=inner)

    def __next__(self) -> list[str]:
        row = next(self._reader)
        if row and row[-1].endswith(_END):
            if row == [_END]:
                raise StopIteration
            self.unclosed = True
        return row

    @property
    def line_num(self) -> int:
        return self._reader.line_num

    def close(self) -> None:
        """Let the file go without closing it; whoever was interrupted has closed it already."""
        if not self._text.closed:
            self._text.detach()


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(_LINE_MOST):
        if len(line) == _LINE_MOST:
            raise FeedUnreadable(f"A line is longer than {_LINE_MOST:,} characters.")
        yield line.replace("\0", "") if "\0" in line else line


def _unquoted(rows: Iterable[list[str]]) -> Iterator[str]:
    """The lines as they were before each was made one quoted cell."""
    for row in rows:
        if any(map(str.strip, row[1:])):
            raise FeedUnreadable(
                "Some lines of the file are quoted a second time and others are not, as a "
                "spreadsheet leaves them. Export the file again."
            )
        yield (row[0] if row else "") + "\n"


def _ragged(number: int, fields: int, width: int, lines: int) -> SourceFault:
    hint = (
        f" It spans {lines} lines: a quotation mark may be missing or too many."
        if lines > 1
        else ""
    )
    return SourceFault(
        record=number,
        code="record-ragged",
        message=f"The record has {fields} fields where the header has {width}.{hint}",
        refused=True,
    )


def _unclosed(number: int, lines: int) -> SourceFault:
    took = f" and takes {lines} lines, to the end of the file" if lines > 1 else ""
    return SourceFault(
        record=number,
        code="quote-unclosed",
        message=f"A quotation mark in the record is never closed{took}.",
        refused=True,
    )


@contextmanager
def open_sheet(
    file: BinaryIO, aliases: Mapping[str, Sequence[str]]
) -> Iterator[tuple[Sheet, list[SourceFault]]]:
    """Find out how the file is written, from where it stands; it must hold a known column.

    `aliases` names, for each field, the columns that may hold it (as `header_name` writes
    them), the preferred one first. What cannot be read twice is kept in a temporary file.
    Raises `FeedUnreadable`.
    """
    # One setting for the whole process, so it is only ever raised.
    csv.field_size_limit(max(FIELD_MOST, csv.field_size_limit()))
    if file.seekable():
        yield _sheet(file, aliases)
        return
    with SpooledTemporaryFile(_IN_MEMORY) as spool:
        shutil.copyfileobj(file, spool)
        spool.seek(0)
        yield _sheet(cast("BinaryIO", spool), aliases)


def _sheet(file: BinaryIO, aliases: Mapping[str, Sequence[str]]) -> tuple[Sheet, list[SourceFault]]:
    start = file.tell()
    head = file.read(_CHUNK)
    if not head.strip(b"\0\t\r\n ,;\xef\xbb\xbf"):
        raise FeedUnreadable("The file is empty.")
    for magic, what in _NOT_TEXT.items():
        if head.startswith(magic):
            raise FeedUnreadable(f"The file is {what}, not a text file. Export it as CSV.")
    file.seek(start)
    encoding, faults = _encoding(file, head)
    sample = head.decode(encoding, errors="replace").replace("\0", "")
    outer, inner, header = _header(sample, {name for names in aliases.values() for name in names})
    places: dict[str, int] = {}
    for place, cell in enumerate(header):
        places.setdefault(header_name(cell), place)
    columns = {
        field: next(places[name] for name in names if name in places)
        for field, names in aliases.items()
        if not places.keys().isdisjoint(names)
    }
    if outer:
        faults.append(
            about_file("lines-quoted-twice", "Every line was quoted a second time; undone.")
        )
    file.seek(start)
    sheet = Sheet(
        file, encoding=encoding, dialect=(outer, inner), columns=columns, width=len(header)
    )
    return sheet, faults


def _header(sample: str, known: set[str]) -> tuple[str, str, list[str]]:
    """The outer delimiter ("" unless each line is quoted twice), the delimiter, and the columns."""
    plain = [
        ("", delimiter, _first_row(io.StringIO(sample, newline=""), delimiter))
        for delimiter in _DELIMITERS
    ]
    # A header in one cell may be a line quoted twice; but first every plain reading is tried.
    twice = [
        (outer, inner, _first_row([row[0]], inner))
        for _, outer, row in plain
        if row and not any(map(str.strip, row[1:]))
        for inner in _DELIMITERS
    ]
    best: tuple[int, str, str, list[str]] = (0, "", "", [])
    for outer, inner, cells in plain + twice:
        score = len(known.intersection(map(header_name, cells)))
        if score > best[0]:
            best = (score, outer, inner, cells)
    if not best[0]:
        raise FeedUnreadable("Not one column of the file is known.")
    return best[1:]


def _first_row(lines: Iterable[str], delimiter: str) -> list[str]:
    try:
        return next((row for row in csv.reader(lines, delimiter=delimiter) if any(row)), [])
    except csv.Error:
        return []


def _encoding(file: BinaryIO, head: bytes) -> tuple[str, list[SourceFault]]:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", []
    for name, zeros in (("utf-16-le", head[1:512:2]), ("utf-16-be", head[:512:2])):
        if zeros.count(0) > len(zeros) // 2:
            return name, []
    good, bad = _utf8_characters(file)
    if not bad:
        return "utf-8-sig", []
    if good > bad:
        return "utf-8-sig", [
            about_file("encoding", f"{bad} characters are damaged; the rest is UTF-8.")
        ]
    return "cp1252", [about_file("encoding", "The text is not UTF-8; read as Windows-1252.")]


def _utf8_characters(file: BinaryIO) -> tuple[int, int]:
    """How many characters beyond ASCII are right as UTF-8, and how many are wrong."""
    strict = codecs.getincrementaldecoder("utf-8")()
    start = file.tell()
    chunks = iter(lambda: file.read(_CHUNK), b"")
    try:
        for chunk in chain(chunks, [b""]):
            strict.decode(chunk, final=not chunk)
    except UnicodeDecodeError:
        pass
    else:
        return 0, 0
    file.seek(start)
    good = bad = 0
    lenient = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for chunk in chain(iter(lambda: file.read(_CHUNK), b""), [b""]):
        text = lenient.decode(chunk, final=not chunk)
        wrong = text.count("\ufffd")
        bad += wrong
        good += len(text) - len(text.encode("ascii", "ignore")) - wrong
    return good, bad


def about_file(code: str, message: str) -> SourceFault:
    return SourceFault(record=0, code=code, message=message, refused=False)
