"""The documentation taken apart: pages, their fenced blocks, and the marks that say how a block is tested.

A mark is an HTML comment on a line of its own before a fence, which no reader of the page sees:

    <!-- test: fresh -->                          begin again: a new sample workspace, a new emulator
    <!-- test: scenario {"polls_until_done": 2} -->  how the emulator behaves from here on
    <!-- test: before COMMAND -->                 a command that the page need not show
    <!-- test: as SHOWN => RUN -->                what is run in place of a command that is shown
    <!-- test: exit 3 -->                         the exit code of the last command (default 0)
    <!-- test: single -->                         one command, and all the rest is its output
    <!-- test: serves -->                         the command is a server: started, asked for its address, stopped
    <!-- test: steps -->                          the `run:` steps of a workflow are run
    <!-- test: file NAME -->                      the block is written to a file of the workspace
    <!-- test: shows NAME -->                     the block is what a file of the workspace holds
    <!-- test: needs PROGRAM -->                  run only where there is such a program
    <!-- test: not run: REASON; exists PATH … -->  never run; the paths must exist, programs must be executable
    <!-- test: illustration: REASON -->           output that is not compared
"""

import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
)
LANGUAGES = frozenset(
    {"bash", "console", "csv", "dotenv", "jinja", "json", "markdown", "python", "text", "toml", "yaml"}
)

# What no two runs have in common, and what a page can show for it.
_NAMES = {
    "job": r"\bjob-[0-9a-z]{12}\b",
    "run": r"\brun-[0-9a-z]{12}\b",
    "gemini": r"\bbatches/[0-9a-z]{20,}\b",
    "openai": r"\bbatch_[0-9a-f]{32}\b",
    "anthropic": r"\bmsgbatch_[0-9A-Za-z]{20,}\b",
    "file": r"\bfiles?[/-][0-9A-Za-z]{10,}\b",
}
_NAME = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _NAMES.items()))
_PART_OF_A_NAME = re.compile(r"\b(?:job-|run-|batches/|batch_|msgbatch_)[0-9A-Za-z]{6,}\b")
_HEARTBEAT = re.compile(r"^waiting for .* elapsed\n", re.MULTILINE)
"""Comes or not, by the time of the first look."""
_VOLATILE = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)?"), "<time>"),
    (re.compile(r'"input_tokens": \d+'), '"input_tokens": <n>'),
    (re.compile(r'"now":[\d.]+'), '"now":<time>'),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:<port>"),
    (re.compile(r"\d+ tokens in, \d+ out"), "<n> tokens in, <n> out"),
    (re.compile(r"[\d,]+ in, [\d,]+ out \([\d,]+ reasoning\)"), "<n> in, <n> out (<n> reasoning)"),
    (re.compile(r"[\d,]+ to [\d,]+$", re.MULTILINE), "<n> to <n>"),
    (re.compile(r"\$\d[\d,.]*\d"), "$<n>"),
    (re.compile(r"\d[\d,]* bytes"), "<n> bytes"),
    (re.compile(r"\b\d+:\d\d:\d\d\b"), "<duration>"),
    (re.compile(r"[\d.,]+ prompts a minute"), "<n> prompts a minute"),
    (_HEARTBEAT, ""),
    (re.compile(r"[ \t]+$", re.MULTILINE), ""),
)
_OMISSION = "...\n"

_FENCE = re.compile(r"(?P<fence>`{3,})(?P<language>\S*)")
_MARK = re.compile(r"<!-- test: (?P<word>not run|[a-z]+):? ?(?P<rest>.*?) ?-->")
_WORDS = frozenset(
    {
        "fresh",
        "scenario",
        "before",
        "as",
        "exit",
        "serves",
        "single",
        "steps",
        "file",
        "shows",
        "needs",
        "not run",
        "illustration",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block, where it stands, and its marks (word, rest) in order."""

    page: str
    line: int
    """Of the opening fence, from 1."""
    language: str
    body: str
    marks: tuple[tuple[str, str], ...]

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    def marked(self, word: str) -> str | None:
        """What stands behind a mark, or None."""
        return next((rest for name, rest in self.marks if name == word), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the documentation."""

    name: str
    text: str
    blocks: tuple[Block, ...]

    @property
    def prose(self) -> str:
        """The page without its blocks."""
        lines = self.text.split("\n")
        for block in reversed(self.blocks):
            del lines[block.line - 1 : block.line + 1 + block.body.count("\n")]
        return "\n".join(lines)


def read_page(name: str, text: str) -> Page:
    """Take a page apart. Fails at a fence without an end, an unknown language, an unknown or stray mark."""
    blocks: list[Block] = []
    marks: list[tuple[str, str]] = []
    lines = iter(enumerate(text.split("\n"), start=1))
    for number, line in lines:
        mark, fence = _MARK.fullmatch(line), _FENCE.fullmatch(line)
        if mark:
            assert mark["word"] in _WORDS, f"{name}:{number}: unknown mark {mark['word']!r}"
            marks.append((mark["word"], mark["rest"]))
        elif fence:
            body = []
            for _, inner in lines:
                if inner == fence["fence"]:
                    break
                body.append(inner + "\n")
            else:
                pytest.fail(f"{name}:{number}: the block has no end")
            assert fence["language"] in LANGUAGES, f"{name}:{number}: language {fence['language']!r}"
            blocks.append(
                Block(page=name, line=number, language=fence["language"], body="".join(body), marks=tuple(marks))
            )
            marks = []
        else:
            assert not marks, f"{name}:{number}: a mark without a block"
            assert "test:" not in line, f"{name}:{number}: something like a mark: {line}"
    return Page(name=name, text=text, blocks=tuple(blocks))


def steady(text: str) -> str:
    """Text without what is another in every run, names aside, its last line ended as every line of a block is."""
    text += "" if text.endswith("\n") or not text else "\n"
    for pattern, word in _VOLATILE:
        text = pattern.sub(word, text)
    return text


@dataclass
class Transcript:
    """What a page shows beside what comes: equal but for names and times.

    Which real name stands for one in the page is learned where the page shows one, and used where it types one.
    """

    real_of: dict[str, str] = field(default_factory=dict)

    def typed(self, command: str) -> str:
        """A command with real names, also where the page types the beginning of one."""

        def real(match: re.Match[str]) -> str:
            fitting = [name for name in self.real_of if name.startswith(match[0])]
            return self.real_of[fitting[0]] if len(fitting) == 1 else match[0]

        return _PART_OF_A_NAME.sub(real, command)

    def agree(self, expected: str, actual: str) -> bool:
        """Whether the page shows what came, names and times aside; the same name always stands for the same."""
        unknown: dict[str, str] = {}
        pattern = "".join(
            r"(?:.*\n)*?" if line == _OMISSION else self._pattern(steady(line), unknown)
            for line in expected.splitlines(keepends=True)
        )
        match = re.fullmatch(pattern, steady(actual))
        if match is None:
            return False
        self.real_of |= {name: match[group] for name, group in unknown.items()}
        return True

    def _pattern(self, line: str, unknown: dict[str, str]) -> str:
        pattern, end = "", 0
        for match in _NAME.finditer(line):
            pattern += re.escape(line[end : match.start()]) + self._name_pattern(match, unknown)
            end = match.end()
        return pattern + re.escape(line[end:])

    def _name_pattern(self, match: re.Match[str], unknown: dict[str, str]) -> str:
        name, kind = match[0], str(match.lastgroup)
        if name in self.real_of:
            return re.escape(self.real_of[name])
        if name in unknown:
            return f"(?P={unknown[name]})"
        unknown[name] = f"name{len(unknown)}"
        return f"(?P<{unknown[name]}>{_NAMES[kind]})"

    def corrected(self, expected: str, actual: str) -> str:
        """What the page should show: what came, under the page's names where both have as many."""
        before = [match[0] for match in _NAME.finditer(expected)]
        now = [match[0] for match in _NAME.finditer(actual)]
        known = set(self.real_of.values())
        for position, name in enumerate(now):
            if name not in known:
                self.real_of[before[position] if len(before) == len(now) else name] = name
        page_name_of = {real: name for name, real in self.real_of.items()}
        return _NAME.sub(lambda match: page_name_of.get(match[0], match[0]), _HEARTBEAT.sub("", actual))

    def difference(self, expected: str, actual: str) -> str:
        """The difference, for a person."""
        known, came = steady(self.typed(expected)).splitlines(), steady(actual).splitlines()
        return "\n".join(difflib.unified_diff(known, came, "page", "came", lineterm=""))

    @staticmethod
    def omits(expected: str) -> bool:
        """Whether the page leaves lines out, so that nobody can correct it but a person."""
        return _OMISSION in expected


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def pages() -> dict[str, Page]:
    return {name: read_page(name, (ROOT / name).read_text(encoding="utf-8")) for name in PAGES}


@pytest.fixture(scope="session")
def parse_page():
    return read_page


@pytest.fixture(scope="session")
def new_transcript():
    return Transcript


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give every test that asks for `page_name` one run a page."""
    if "page_name" in metafunc.fixturenames:
        metafunc.parametrize("page_name", sorted(PAGES))
