"""From a command line, and perhaps the run it goes on with, to what is to be asked and how."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchwright.cli.datasets.base import Asking, Model, Session, Wish
from batchwright.cli.datasets.options import LIVE, Given
from batchwright.errors import ChangedInputError, ConfigurationError, InputError
from batchwright.reports.datasets.base import Format
from batchwright.run import Run, RunStatus
from batchwright.sources.row_prompts import PromptSpec
from batchwright.sources.schemas import read_schema
from batchwright.sources.templates import compile_template
from batchwright.tracking.run_claims import VIA_BATCH, RunClaims
from batchwright.tracking.runs import RunStore

if TYPE_CHECKING:
    from batchwright.reports.datasets.writing import Existing
    from batchwright.sources.datasets.survey import Survey

_FOLDER = "folder"
"""In a run's config: where its command was given, for paths that are relative to it."""
_LOG = "log"
"""Whether its answers go into the backend's own log: once kept out of it, they stay out when it goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlan:
    """What a run asks, whom, and where the answers go."""

    spec: PromptSpec
    model: Model
    asking: Asking
    rate: float | None
    """Prompts a minute, at most."""
    output: Path | None
    format: Format | None
    csv_safe: bool
    dedupe: bool
    via: str
    resumed: Run | None = None
    """The run that goes on."""

    def config(self, *, digest: str, columns: tuple[str, ...]) -> dict[str, Any]:
        """Return what a run remembers of it, and of its input; JSON values."""
        return {
            **self.spec.config(),
            "digest": digest,
            "columns": list(columns),
            "provider": self.model.provider_name,
            "priced_as": self.model.priced_as,
            "format": None if self.format is None else str(self.format),
            "csv_safe": self.csv_safe,
            "dedupe": self.dedupe,
            "via": self.via,
            "tools": list(self.asking.tools),
            "extras": dict(self.asking.extras),
            "concurrency": self.asking.concurrency,
            "rate_limit": self.rate,
            _LOG: self.asking.log,
            _FOLDER: str(Path.cwd()),
        }

    def _beginning(self, run_id: str, survey: "Survey", *, digest: str, now: datetime) -> Run:
        """Return a run of this plan as it begins; `survey` and `digest` are of the very input."""
        return Run(
            run_id=run_id,
            created_at=now,
            input_file=" ".join(self.spec.inputs),
            output_file=self.output_file,
            model=self.model.name,
            total=survey.rows,
            config=self.config(digest=digest, columns=survey.columns),
        )

    def begin(self, store: RunStore, run_id: str, survey: "Survey", *, digest: str, now: datetime) -> Run:
        """Remember the run, or that it goes on. Raises `InputError` for an id that is taken."""
        if self.resumed is None:
            return store.create(self._beginning(run_id, survey, digest=digest, now=now))
        store.forget_failures(self.resumed)
        return store.update(
            run_id,
            status=RunStatus.RUNNING,
            message=None,
            ended_at=None,
            stop_requested=False,
            output_file=self.output_file,
            resumed_at=now,
            done_before=store.get(run_id).done,
        )

    @property
    def output_file(self) -> str | None:
        """The output as a run remembers it."""
        return None if self.output is None else str(self.output)

    def run_id(self, given: Given, new_job_id: Callable[[], str]) -> str:
        """Return what the run is called: as it was, as a person wishes, or a new name."""
        if self.resumed is not None:
            return self.resumed.run_id
        return given.batch_id or new_job_id().replace("job-", "run-")

    def existing(self, given: Given) -> "Existing":
        """Return what becomes of an output that is there: the run's own may be written again."""
        from batchwright.reports.datasets.writing import Existing  # noqa: PLC0415  (only runs write)

        return Existing.REPLACE if self.resumed is not None or given.overwrite else Existing.REFUSE


def run_to_go_on(store: RunStore, claims: RunClaims, given: Given, *, program: str) -> Run:
    """Return the run that `--resume` means: of several, the newest that is not complete, or else the newest.

    Raises `InputError` where there is none, or somebody works on it.
    """
    if given.batch_id is not None:
        run = claims.seen(store.get(given.batch_id))
    else:
        of_input = [claims.seen(run) for run in store.runs() if _is_about(run, given.inputs)]
        if not of_input:
            raise InputError(f"there is no run of {', '.join(given.inputs)} to go on with; see: {program} list")
        run = next((run for run in of_input if not is_complete(run)), of_input[0])
    if run.status is RunStatus.RUNNING and run.config.get("via") != VIA_BATCH:
        raise InputError(f"the run {run.run_id} is being worked on at this moment; see: {program} status {run.run_id}")
    return run


def unfinished_run(store: RunStore, claims: RunClaims, given: Given) -> Run | None:
    """Return the newest run of this input, if it did not end well and nobody works on it."""
    found = next((run for run in store.runs() if _is_about(run, given.inputs)), None)
    if found is None:
        return None
    run = claims.seen(found)
    return None if run.status is RunStatus.RUNNING or is_complete(run) else run


def is_complete(run: Run) -> bool:
    """Whether every row has an answer."""
    return run.status is RunStatus.COMPLETED and not run.failed


def keeps_log(session: Session, given: Given, resumed: Run | None) -> bool:
    """Whether answers go into the backend's own log: not by the settings, this command line, or how a run began."""
    before = resumed is None or bool(resumed.config.get(_LOG, True))
    return session.preferences.save_to_logs and not given.no_log and before


def plan_of(session: Session, given: Given, resumed: Run | None) -> RowPlan:
    """Return the plan of a new run, or of one that goes on.

    Raises `ConfigurationError` for what cannot be, `ChangedInputError` saying what differs from how the run began.
    """
    preferences = session.preferences
    if given.template is not None and given.template_file is not None:
        raise ConfigurationError("--template and --template-file both make the prompt; give one of them")
    schema = None if given.schema is None else read_schema(given.schema)
    wish = session.adapted(
        Wish(
            template=given.template,
            template_file=given.template_file,
            system=given.system,
            schema=schema,
            model=given.model,
            attachment_column=given.attachment_column,
            tools=given.tools,
        )
    )
    said = _said(session, wish, given)
    before: Mapping[str, Any] = {} if resumed is None else resumed.config
    if resumed is None:
        spec = PromptSpec(inputs=given.inputs, **said)
        model = session.model(wish.model or preferences.model)
        tools, extras = wish.tools, wish.extras
    else:
        spec, model = _as_it_began(session, resumed, wish, said, given)
        tools, extras = tuple(before.get("tools", ())), before.get("extras", {})
    return RowPlan(
        spec=spec,
        model=model,
        asking=Asking(
            concurrency=given.concurrency or preferences.concurrency or 1,
            log=keeps_log(session, given, resumed),
            tools=tools,
            extras=extras,
            schema=spec.schema is not None,
            attachments=spec.attachment_column is not None,
        ),
        rate=preferences.rate_for((model.name, *model.aliases), given.rate_limit),
        output=_output(given, resumed),
        format=_format(given, before, preferences.format),
        csv_safe=given.csv_safe or bool(before.get("csv_safe")),
        dedupe=not given.no_dedupe and before.get("dedupe", True),
        via=before.get("via") or given.via or LIVE,
        resumed=resumed,
    )


def _said(session: Session, wish: Wish, given: Given) -> dict[str, Any]:
    """Return the fields of a `PromptSpec` about which something was said."""
    fragments: dict[str, str] = {}
    if wish.template is not None:
        compile_template(wish.template, fragment_of=lambda name: fragments.setdefault(name, session.fragment(name)))
    values = {
        "template": wish.template,
        "template_file": wish.template_file,
        "fragments": fragments,
        "system": wish.system,
        "schema": None if wish.schema is None else wish.schema.schema,
        "schema_name": None if wish.schema is None else wish.schema.name,
        "where": given.where,
        "sample": given.sample,
        "seed": given.seed,
        "limit": given.limit,
        "encoding": given.encoding,
        "sheet": given.sheet,
        "skip_bad_rows": given.skip_bad_rows,
        "attachment_column": wish.attachment_column,
        "id_column": given.id_column,
    }
    return {name: value for name, value in values.items() if value or type(value) is int}


def _as_it_began(
    session: Session, run: Run, wish: Wish, said: Mapping[str, Any], given: Given
) -> tuple[PromptSpec, Model]:
    """Return what a run asked from the beginning. Raises `ChangedInputError` where something else is asked now."""
    began = PromptSpec.from_config(run.config)
    changed: dict[str, Any] = dict(said)
    if "template" in said or "template_file" in said:
        changed = {"template": None, "template_file": None, "fragments": {}, **changed}
    if not _is_about(run, given.inputs):
        changed["inputs"] = given.inputs
    now = replace(began, template_text=None, **changed)
    model = session.model(wish.model or run.model)
    reasons = list(began.changes(now))
    if model.name != run.model:
        reasons.append(f"another model ({model.name}, not {run.model})")
    if wish.tools and list(wish.tools) != run.config.get("tools"):
        reasons.append("other tools")
    if given.via not in {None, run.config.get("via")}:
        reasons.append(f"another way than --via {run.config.get('via')}")
    before = run.config.get("extras", {})
    reasons += [f"another {name}" for name, value in wish.extras.items() if before.get(name) != value]
    if reasons:
        raise ChangedInputError(
            f"the run {run.run_id} cannot go on, because this differs from how it began: {', '.join(reasons)}; "
            "leave that out to go on as it began, or start a new run without --resume"
        )
    return replace(began, inputs=given.inputs), model


def _is_about(run: Run, inputs: tuple[str, ...]) -> bool:
    """Whether a run's input is this, however its paths are written."""
    folder = run.config.get(_FOLDER, "")
    there = [Path(folder, name).resolve() for name in run.config.get("inputs", ())]
    return there == [Path(name).resolve() for name in inputs]


def _output(given: Given, resumed: Run | None) -> Path | None:
    """Return where the answers go: as it was said, or as the run has it, seen from here."""
    if given.output is not None or resumed is None or resumed.output_file is None:
        return given.output
    folder = Path(resumed.config.get(_FOLDER, ""))
    return Path(resumed.output_file) if folder == Path.cwd() else folder / resumed.output_file


def _format(given: Given, before: Mapping[str, Any], preferred: str | None) -> Format | None:
    """Return the format that was asked for; None where the output's name says it, or answers are printed."""
    from batchwright.reports.datasets.writing import FORMATS  # noqa: PLC0415  (only runs write)

    chosen = given.format or before.get("format")
    if chosen is None and given.output is not None and given.output.suffix.lower() not in FORMATS:
        chosen = preferred
    return None if chosen is None else Format(chosen)
