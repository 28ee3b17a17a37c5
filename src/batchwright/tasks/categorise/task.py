"""The `Task` over an issue report: its documents, the requests about their issues, the rows from the answers."""

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchwright.answer import Rung, parse_result
from batchwright.errors import AnswerError, ChangedInputError, InputError
from batchwright.job import BatchRef
from batchwright.reports.base import ReportSpec, Row
from batchwright.request import Message, Request
from batchwright.result import Result
from batchwright.sources.files import read_utf8
from batchwright.sources.issues import Issue, IssueDocument, read_report
from batchwright.sources.names import folded, unsafe
from batchwright.sources.pages import (
    CAP,
    PagedText,
    Quotation,
    Reading,
    find_base,
    quotation,
    read_for,
    split_pages,
)
from batchwright.sources.prompts import Prompts, json_lines
from batchwright.tasks.base import Document, Handled, Task
from batchwright.tasks.categorise.verdicts import OUTPUT_SCHEMA, Verdict, clean_line, read_verdicts
from batchwright.workspace import prompts_folder

SYSTEM_PROMPT = "categorise/system.md.j2"
"""The prompt file with the instructions; it gets no variables."""
USER_PROMPT = "categorise/user.md.j2"
"""The prompt file of one batch; it gets `subject`, `document`, `passages` (`title`, `text`) and `issues`."""

_COLUMNS = (
    "issue_id",
    "page_number",
    "issue",
    "highlighted_context",
    "pass_code",
    "error_category",
    "confidence_score",
    "reasoning",
)
_log = logging.getLogger(__name__)
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenDocument:
    """The one document that is held while its batches are built."""

    key: _Key
    paged: PagedText
    base: int


class CategoriseTask(Task):
    """Sort the issues of a report into categories.

    `documents_dir` holds `<subject>/markdown/<filename>` and gets `<subject>/document_reports/<stem>.csv`;
    `prompts_dir` may hold prompts of one's own, file by file. `notify` is told what a person should know though nothing
    failed; by default it is logged. Raises `InputError` if the report cannot be used.
    """

    name = "categorise"
    items_word = "issues"
    output_schema = OUTPUT_SCHEMA

    def __init__(
        self,
        *,
        documents_dir: Path,
        report: Path,
        prompts_dir: Path,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        self._documents_dir = documents_dir
        self._prompts = Prompts([prompts_dir, prompts_folder()])
        self._notify = notify or _log_notice
        source = read_report(report)
        self._report_file = source.path
        self._by_key = {(document.subject, document.filename): document for document in source.documents}
        self.report = ReportSpec(
            columns=_COLUMNS,
            key="issue_id",
            identity=("issue", "highlighted_context"),
            answer="error_category",
            byte_order_mark=source.byte_order_mark,
        )
        self._system: str | None = None
        self._open: _OpenDocument | None = None
        self._lock = threading.Lock()
        self._refuse_shared_reports()
        for notice in source.notices:
            self._notify(notice)

    def documents(self) -> Sequence[Document]:
        """Return the report's documents in its order."""
        return tuple(
            Document(group=subject, name=filename, item_ids=range(len(document.issues)))
            for (subject, filename), document in self._by_key.items()
        )

    def make_batch(self, document: Document, index: int, item_ids: Sequence[int]) -> BatchRef:
        """Return a batch of issues with the digest of what they say now."""
        issues = self._issues((document.group, document.name), item_ids)
        return BatchRef(
            group=document.group,
            document=document.name,
            index=index,
            item_ids=tuple(item_ids),
            digest=digest_of(issues),
        )

    def build_request(self, batch: BatchRef, custom_id: str) -> Request:
        """Return the request about a batch: the instructions, the pages its issues are on, and the issues.

        Raises `InputError` for a document or prompt that cannot be read, `ChangedInputError` for unknown issues.
        """
        issues = self._issues((batch.group, batch.document), batch.item_ids)
        reading = self._read(batch, [_quotation_of(issue) for issue in issues])
        findings = [_finding(issue) for issue in issues]
        text = self._prompts.render(
            USER_PROMPT, subject=batch.group, document=batch.document, passages=reading.passages, issues=findings
        )
        if json_lines(findings) not in text:
            raise InputError(f"prompt file {USER_PROMPT} leaves the issues out; it needs {{{{ issues | json }}}}")
        return Request(
            custom_id=custom_id,
            system=self._system_prompt(),
            messages=(Message.text(text),),
            output_schema=OUTPUT_SCHEMA,
        )

    def handle_result(self, batch: BatchRef, result: Result) -> Handled:
        """Turn an answer into rows, in the order of the issues; what cannot be used is warned about."""
        ids = tuple(batch.item_ids)
        try:
            issues = self._issues((batch.group, batch.document), ids)
        except ChangedInputError as exc:
            return Handled(warnings=(str(exc),))
        if not result.succeeded:
            reason = result.failure.message if result.failure else "the provider gave no reason"
            where = f"{batch.group}/{batch.document} batch {batch.index}"
            return Handled(warnings=(f"{where}: no answer ({result.status}): {clean_line(reason)}",))
        try:
            answer = parse_result(result, OUTPUT_SCHEMA)
            verdicts = read_verdicts(answer.value, frozenset(ids))
        except AnswerError as exc:
            return Handled(warnings=(str(exc),))
        mended = ("answer was repaired: its JSON was broken, check these rows",) if answer.rung is Rung.REPAIRED else ()
        return Handled(
            rows=tuple(_row(i, verdicts.by_id[i.issue_id]) for i in issues if i.issue_id in verdicts.by_id),
            warnings=mended + verdicts.warnings,
        )

    def identify(self, document: Document) -> Mapping[int, Row]:
        """Return the issue's words and context by id."""
        found = self._document((document.group, document.name))
        return {issue.issue_id: _identity(issue) for issue in found.issues}

    def report_path(self, group: str, document: str) -> Path:
        """Return `<documents_dir>/<subject>/document_reports/<stem>.csv`.

        Only `.md` is cut off: `notes.txt` reports to `notes.txt.csv`, so that it never shares a file with `notes.md`.
        Raises `InputError` for names that are no names, and where a link would lead out of the documents folder.
        """
        stem = document[:-3] if document.lower().endswith(".md") and len(document) > len(".md") else document
        path = self._folder(group, document) / "document_reports" / f"{stem}.csv"
        if not path.resolve().is_relative_to(self._documents_dir.resolve()):
            raise InputError(f"the report of {group}/{document} would be outside {self._documents_dir}: {path}")
        return path

    def _refuse_shared_reports(self) -> None:
        owners: dict[Path, _Key] = {}
        for subject, filename in self._by_key:
            path = self.report_path(subject, filename)
            owner = owners.setdefault(path, (subject, filename))
            if owner != (subject, filename):
                raise InputError(
                    f"{'/'.join(owner)} and {subject}/{filename} would share the report {path}; "
                    f"rename one of them in {self._report_file}"
                )

    def _document(self, key: _Key) -> IssueDocument:
        try:
            return self._by_key[key]
        except KeyError as exc:
            raise ChangedInputError(f"{'/'.join(key)} is not in {self._report_file} any more") from exc

    def _issues(self, key: _Key, ids: Sequence[int]) -> list[Issue]:
        issues = self._document(key).issues
        unknown = [issue_id for issue_id in ids if not 0 <= issue_id < len(issues)]
        if unknown:
            there = f"{'/'.join(key)} has {len(issues)} issues in {self._report_file}"
            raise ChangedInputError(f"{there}; there is no issue {unknown[0]} any more")
        return [issues[issue_id] for issue_id in ids]

    def _folder(self, subject: str, filename: str) -> Path:
        """Return the subject's folder: by its name, else the only one that differs in case, spaces and hyphens."""
        for name in (subject, filename):
            reason = unsafe(name)
            if reason is not None:
                raise InputError(f"{name!r} {reason}; it cannot be the name of a subject or document")
        exact = self._documents_dir / subject
        if exact.is_dir() or not self._documents_dir.is_dir():
            return exact
        alike = [path for path in self._documents_dir.iterdir() if folded(path.name) == folded(subject)]
        if len(alike) > 1:
            there = ", ".join(sorted(str(path) for path in alike))
            raise InputError(f"subject {subject!r} could be in more than one folder: {there}; rename one of them")
        return alike[0] if alike else exact

    def _read(self, batch: BatchRef, quotations: Sequence[Quotation]) -> Reading:
        document = self._opened((batch.group, batch.document))
        reading = read_for(document.paged, quotations, base=document.base)
        if reading.unplaced:
            given = f"its first {CAP:,} characters are" if reading.capped else "all of it is"
            self._notify(
                f"{batch.group}/{batch.document} batch {batch.index}: {reading.unplaced} issue(s) have no page and "
                f"their context is not in the document; {given} sent along"
            )
        return reading

    def _opened(self, key: _Key) -> _OpenDocument:
        """Return the document, read once while its batches follow one another."""
        with self._lock:
            if self._open is None or self._open.key != key:
                self._open = None
                self._open = self._opening(key)
            return self._open

    def _opening(self, key: _Key) -> _OpenDocument:
        path = self._folder(*key) / "markdown" / key[1]
        paged = split_pages(read_utf8(path, f"the text of {'/'.join(key)}").text)
        for notice in paged.notices:
            self._notify(f"{path}: {notice}")
        base = find_base(paged, [_quotation_of(issue) for issue in self._document(key).issues])
        return _OpenDocument(key=key, paged=paged, base=base)

    def _system_prompt(self) -> str:
        if self._system is None:
            self._system = self._prompts.render(SYSTEM_PROMPT)
        return self._system


def digest_of(issues: Sequence[Issue]) -> str:
    """Return 16 hex digits over what identifies the issues: their numbers, pages, words and contexts."""
    facts = [[issue.issue_id, issue.page, issue.issue, issue.highlighted_context] for issue in issues]
    text = json.dumps(facts, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _quotation_of(issue: Issue) -> Quotation:
    return quotation(issue.page, issue.highlighted_context, issue.issue)


def _finding(issue: Issue) -> dict[str, int | str | None]:
    """Return an issue as the model sees it."""
    return {
        "issue_id": issue.issue_id,
        "page_number": issue.page,
        "rule_id": issue.rule_id,
        "type": issue.type,
        "issue": issue.issue,
        "message": issue.message,
        "suggestions": issue.suggestions,
        "highlighted_context": issue.highlighted_context,
    }


def _identity(issue: Issue) -> dict[str, str]:
    return {"issue": issue.issue, "highlighted_context": issue.highlighted_context}


def _row(issue: Issue, verdict: Verdict) -> Row:
    return {
        "issue_id": str(issue.issue_id),
        "page_number": "" if issue.page is None else str(issue.page),
        **_identity(issue),
        "pass_code": issue.pass_code,
        "error_category": str(verdict.category),
        "confidence_score": str(verdict.confidence),
        "reasoning": verdict.reasoning,
    }


def _log_notice(notice: str) -> None:
    _log.warning("The input has something to know about.", extra={"event": "task.notice", "notice": notice})
