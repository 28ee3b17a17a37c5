"""Markdown with page markers: the text of the pages that given quotations come from. Pure.

A marker is a line of its own, `{12}` and dashes, that begins a page. Some converters count from 0 and some from 1,
while whoever cites a page counts from 1; so the base is found per document. Everything is kept as a range of the text
itself: neighbouring pages join without a seam, because a quotation may begin on one and end on the next.
"""

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

CAP = 24_000
"""Characters of a document, or of one page, that are given when the place cannot be told any closer."""
MARGIN = 2_000
"""Characters given to each side of a quotation in a document without pages, or on a page longer than `CAP`."""

_MARKER = re.compile(r"^[ \t]*\{([0-9]{1,6})\}-{3,}[ \t\r]*$", re.MULTILINE)
_LIKE_A_MARKER = re.compile(r"^[ \t]*\{[^{}\n]{0,40}\}-{3,}.*$", re.MULTILINE)
_LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_PADDING = re.compile(r"(?<=\S)[ \t]{3,}")
# What may lie between two words of a quotation: white space, a converter's line break, a bold marker.
_GAP = r"(?:\s|(?i:<br\s*/?>)|\*\*)"
_GAPS = re.compile(rf"({_GAP}++)")
_TELLING = 16
"""Characters a part of a quotation needs to be looked for by itself."""
_NEAR = 2
"""Pages around the cited one in which a part of a quotation is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page: the number on its marker and its range of the text, marker line included."""

    marker: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedText:
    """A document's text and where its pages lie. `notices` tell about lines that look like markers and are none."""

    text: str
    pages: tuple[Page, ...]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotation:
    """Words somebody quoted from the document: `before`, then `words`, then `after`, all as one stretch of it.

    `page` counts from 1; None where it is not known.
    """

    page: int | None
    before: str
    words: str
    after: str

    @property
    def whole(self) -> str:
        """The whole stretch."""
        return self.before + self.words + self.after


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stretch of the document to be read, and what to call it."""

    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What to read for some quotations, in the order of the document, and how many of them have no known place."""

    passages: tuple[Passage, ...]
    unplaced: int = 0
    capped: bool = False
    """Whether the document was cut at `CAP` characters for the unplaced ones."""


def quotation(page: int | None, highlighted_context: str, words: str) -> Quotation:
    """Take a quotation apart that has its words between `**` and an ellipsis where it was cut.

    The document may have bold text of its own, so the pair around `words` is looked for; where there is none, the whole
    counts as the words.
    """
    context = highlighted_context.removeprefix("...").removesuffix("...")
    marked = re.search(rf"\*\*(\s*{re.escape(words.strip())}\s*)\*\*", context) if words.strip() else None
    if marked is None:
        return Quotation(page=page, before="", words=context, after="")
    return Quotation(page=page, before=context[: marked.start()], words=marked[1], after=context[marked.end() :])


def split_pages(text: str) -> PagedText:
    """Find the pages. A marker out of order, repeated or malformed is text, and a notice says so."""
    found = list(_MARKER.finditer(text))
    numbers = [int(match[1]) for match in found]
    kept = [found[index] for index in _longest_rise(numbers)]
    starts = [0, *(match.start() for match in kept[1:]), len(text)] if kept else []
    pages = tuple(
        Page(marker=int(match[1]), start=start, end=end)
        for match, start, end in zip(kept, starts, starts[1:], strict=False)
    )
    return PagedText(text=text, pages=pages, notices=_marker_notice(text, {match.start() for match in kept}))


def find_base(document: PagedText, quotations: Iterable[Quotation]) -> int:
    """Return what to add to a marker to get the page that quotations cite: 1 or 0.

    A first marker of 0 speaks for 1, any other for 0; the quotations that are found on exactly one of the two pages
    outvote it.
    """
    expected = 1 if document.pages and document.pages[0].marker == 0 else 0
    votes: Counter[int] = Counter()
    for quoted in quotations:
        here = {base for base in (0, 1) if _is_on(document, quoted, base)}
        if len(here) == 1:
            votes.update(here)
    return 1 - expected if votes[1 - expected] > votes[expected] else expected


def read_for(document: PagedText, quotations: Sequence[Quotation], *, base: int) -> Reading:
    """Return the pages the quotations come from, each once, longer stretches where pages follow one another.

    The page is the one a quotation cites; where it is not there, the nearest on which it is. One whose place is not
    known at all gets the beginning of the document, up to `CAP` characters.
    """
    ranges: list[tuple[int, int]] = []
    unplaced = 0
    for quoted in quotations:
        place = _place(document, quoted, base)
        unplaced += place is None
        ranges.append(place or (0, min(CAP, len(document.text))))
    passages = tuple(_passage(document, start, end, base) for start, end in _joined(ranges))
    return Reading(passages=passages, unplaced=unplaced, capped=unplaced > 0 and len(document.text) > CAP)


def folded(text: str) -> str:
    """Return `text` with every run of white space (a converter's `<br>` is some) as one blank."""
    return " ".join(_LINE_BREAK.sub(" ", text).split())


def _longest_rise(numbers: Sequence[int]) -> list[int]:
    """Return the indices of a longest strictly rising run of numbers (not necessarily neighbours), the earliest one.

    One wild number thus costs only itself, wherever it stands.
    """
    lowest_ends: list[int] = []
    end_index: list[int] = []
    previous: list[int | None] = []
    for index, number in enumerate(numbers):
        length = bisect_left(lowest_ends, number)
        previous.append(end_index[length - 1] if length else None)
        if length == len(lowest_ends):
            lowest_ends.append(number)
            end_index.append(index)
        elif number < lowest_ends[length]:
            lowest_ends[length], end_index[length] = number, index
    rise: list[int] = []
    at = end_index[-1] if end_index else None
    while at is not None:
        rise.append(at)
        at = previous[at]
    return rise[::-1]


def _marker_notice(text: str, genuine: Collection[int]) -> tuple[str, ...]:
    others = [match for match in _LIKE_A_MARKER.finditer(text) if match.start() not in genuine]
    if not others:
        return ()
    number = text.count("\n", 0, others[0].start()) + 1
    first = f"line {number}, {others[0][0].strip()[:20]!r}"
    return (f"{len(others)} line(s) look like page markers and are treated as text (the first: {first})",)


def _is_on(document: PagedText, quoted: Quotation, base: int) -> bool:
    page = _cited(document, quoted, base)
    return page is not None and next(_found(document.text, quoted.whole, page.start, page.end), None) is not None


def _cited(document: PagedText, quoted: Quotation, base: int) -> Page | None:
    if quoted.page is None:
        return None
    index = bisect_left(document.pages, quoted.page - base, key=lambda page: page.marker)
    found = document.pages[index : index + 1]
    return found[0] if found and found[0].marker == quoted.page - base else None


def _place(document: PagedText, quoted: Quotation, base: int) -> tuple[int, int] | None:
    """Return the range to read for one quotation, or None where nothing tells."""
    cited = _cited(document, quoted, base)
    for part in _parts(quoted):
        if cited is not None:
            on_page = next(_found(document.text, part, cited.start, cited.end), None)
            if on_page is not None:
                return _around(document, on_page)
        matches = [
            (_distance(document, match, quoted.page, base), match)
            for match in _found(document.text, part, 0, len(document.text))
        ]
        distance, nearest = min(matches, default=(0, None))
        if nearest is not None and (part == quoted.whole or cited is None or distance <= _NEAR):
            return _around(document, nearest)
    return None if cited is None else (cited.start, min(cited.end, cited.start + CAP))


def _parts(quoted: Quotation) -> Iterator[str]:
    """Yield the quotation, then its two halves: a document that was converted anew differs in places."""
    yield quoted.whole
    for half in (quoted.before + quoted.words, quoted.words + quoted.after):
        if len(folded(half)) >= _TELLING:
            yield half


def _found(text: str, quote: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges between `start` and `end` in which `quote` stands, white space and bold markers apart."""
    pattern = _pattern(quote)
    if pattern is None:
        return
    for match in pattern.finditer(text, start, end):
        yield match.span()


def _pattern(quote: str) -> re.Pattern[str] | None:
    pieces = _GAPS.split(quote)
    words, gaps = pieces[::2], pieces[1::2]
    first = 0 if words[0] else 1
    last = len(words) - (0 if words[-1] else 1)
    if first >= last:
        return None
    regex = re.escape(words[first])
    for gap, word in zip(gaps[first:], words[first + 1 : last], strict=False):
        # A gap of bold markers alone was no gap in the document, unless the document has them too.
        regex += _GAP + ("*+" if gap.strip("*") == "" else "++") + re.escape(word)
    return re.compile(regex)


def _distance(document: PagedText, match: tuple[int, int], page: int | None, base: int) -> int:
    if page is None or not document.pages:
        return 0
    return min(abs(document.pages[index].marker + base - page) for index in _pages_of(document, *match))


def _pages_of(document: PagedText, start: int, end: int) -> range:
    """Return the indices of the pages that a range touches."""
    first = bisect_right(document.pages, start, key=lambda page: page.start) - 1
    last = bisect_left(document.pages, end, key=lambda page: page.start) - 1
    return range(first, max(first, last) + 1)


def _around(document: PagedText, match: tuple[int, int]) -> tuple[int, int]:
    """Return the whole pages a match touches, or a margin around it where they are too long or there are none."""
    start, end = match
    if document.pages:
        touched = _pages_of(document, start, end)
        first, last = document.pages[touched[0]], document.pages[touched[-1]]
        if last.end - first.start <= max(CAP, end - start):
            return first.start, last.end
    return max(0, start - MARGIN), min(len(document.text), end + MARGIN)


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        elif start < end:
            joined.append((start, end))
    return joined


def _passage(document: PagedText, start: int, end: int, base: int) -> Passage:
    return Passage(title=_title(document, start, end, base), text=_readable(document.text[start:end]))


def _readable(text: str) -> str:
    """Return `text` without what converters add to tables: padding, which is paid for, and `<br>` for a line's end."""
    text = _LINE_BREAK.sub(" ", text).replace("\r\n", "\n")
    return _PADDING.sub("  ", text).strip("\n")


def _title(document: PagedText, start: int, end: int, base: int) -> str:
    if (start, end) == (0, len(document.text)):
        return "The whole document"
    if not document.pages:
        return "From the document" if start else "The beginning of the document"
    touched = _pages_of(document, start, end)
    first, last = document.pages[touched[0]], document.pages[touched[-1]]
    numbers = [first.marker + base, last.marker + base]
    name = f"Page {numbers[0]}" if first is last else f"Pages {numbers[0]} to {numbers[1]}"
    return name if (start, end) == (first.start, last.end) else f"From {name.lower()}"
