"""What a person can say about a run, and what they said."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

import click

from batchwright.cli.datasets.group import database_option
from batchwright.cli.estimating import Amount
from batchwright.reports.datasets.base import Format

_ABOVE_NOTHING: Final = click.FloatRange(min=0, min_open=True)
_AT_LEAST_ONE: Final = click.IntRange(min=1)

LIVE: Final = "live"
BATCH: Final = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The command line of a run; None, false or empty where nothing was said."""

    inputs: tuple[str, ...]
    template: str | None
    template_file: str | None
    output: Path | None
    model: str | None
    system: str | None
    rate_limit: float | None
    concurrency: int | None
    resume: bool
    batch_id: str | None
    stop_on_error: bool
    format: str | None
    no_log: bool
    tools: tuple[str, ...]
    estimate_cost: bool
    yes: bool
    max_cost: Decimal | None
    schema: str | None
    attachment_column: str | None
    id_column: str | None
    where: tuple[str, ...]
    limit: int | None
    sample: int | None
    seed: int | None
    encoding: str | None
    sheet: str | None
    skip_bad_rows: bool
    csv_safe: bool
    no_dedupe: bool
    cache: bool
    via: str | None
    overwrite: bool
    database: Path | None


RUN_OPTIONS: Final = (
    click.argument("inputs", nargs=-1, required=True, metavar="INPUT..."),
    click.option("--template", metavar="TEXT", help="Prompt with {column} in it  [default: the row itself]"),
    click.option("--template-file", metavar="PATH", help="The same as a jinja2 file; columns are its variables."),
    click.option("--output", type=click.Path(path_type=Path), help="Save the answers here  [default: print them]"),
    click.option("--model", "-m", metavar="NAME", help="Model to use  [default: your default model]"),
    click.option("--system", "-s", metavar="TEXT", help="System prompt for all requests."),
    click.option("--rate-limit", type=_ABOVE_NOTHING, metavar="N", help="Maximum prompts per minute."),
    click.option("--concurrency", type=_AT_LEAST_ONE, metavar="N", help="Requests at the same time  [default: 1]"),
    click.option("--resume", is_flag=True, help="Go on with the newest unfinished run of this input, or --batch-id."),
    click.option("--batch-id", metavar="ID", help="What the run is called, or with --resume, which one goes on."),
    click.option("--stop-on-error", is_flag=True, help="Stop, with what there is, as soon as a prompt fails."),
    click.option(
        "--format",
        type=click.Choice([str(kind) for kind in Format]),
        help="Format of the output  [default: by its name]",
    ),
    click.option("--no-log", is_flag=True, help="Keep the answers out of the logs database."),
    click.option("--tools", multiple=True, metavar="NAME", help="Tools that the model may use."),
    click.option("--schema", metavar="SCHEMA", help="JSON Schema (file or text), or fields: 'name, age int'"),
    click.option("--attachment-column", metavar="COLUMN", help="Column that names images or PDFs to send along."),
    click.option("--id-column", metavar="COLUMN", help="Column that has to be different in every row."),
    click.option("--where", multiple=True, metavar="COLUMN=VALUE", help="Only rows like this; may be repeated."),
    click.option("--limit", type=_AT_LEAST_ONE, metavar="N", help="Only the first N of these rows."),
    click.option("--sample", type=_AT_LEAST_ONE, metavar="N", help="Only N of these rows, by chance."),
    click.option("--seed", type=int, metavar="N", help="Of --sample: the same seed, the same rows  [default: 0]"),
    click.option("--encoding", metavar="NAME", help="Of text files  [default: utf-8]"),
    click.option("--sheet", metavar="NAME", help="Of a workbook  [default: the first]"),
    click.option("--skip-bad-rows", is_flag=True, help="Leave out rows that cannot be read."),
    click.option("--csv-safe", is_flag=True, help="Keep spreadsheet formulas in answers from executing."),
    click.option("--no-dedupe", is_flag=True, help="Ask equal prompts each for itself."),
    click.option("--cache", is_flag=True, help="Take what an earlier run with --cache was answered to the same."),
    click.option(
        "--via",
        type=click.Choice([LIVE, BATCH]),
        help="Ask now, or through the provider's Batch API at half the price  [default: live]",
    ),
    click.option("--overwrite", is_flag=True, help="Replace an output that is there already."),
    click.option("--estimate-cost", is_flag=True, help="Show what it will cost first, and ask."),
    click.option("--yes", "-y", is_flag=True, help="With --estimate-cost: do not ask, go on."),
    click.option("--max-cost", type=Amount(), metavar="USD", help="Refuse to cost more (exit 6)."),
    database_option,
)
