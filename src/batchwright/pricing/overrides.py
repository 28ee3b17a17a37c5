"""Prices a person sets: for a model the lists do not know, a private agreement, or a list that is out of date.

In a settings file, dollars per million tokens:

    [prices.openai."ft:gpt-4.1-mini-2025-04-14:*"]
    input = 0.80
    output = 3.20
    cached = 0.20
    batch = 0.5                                 # half of each; or { input = 0.40, output = 1.60 }

A model set here is priced by what is set alone: what is left out is unknown, the batch price too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from pathlib import Path

from batchwright.errors import ConfigurationError
from batchwright.pricing.rates import EXACT, PriceSheet, TokenRates

_KINDS = tuple(kind.name for kind in fields(TokenRates))
_BATCH = "batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPrices:
    """What a person set for one model; None where that is unknown."""

    live: PriceSheet
    batch: PriceSheet | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """Prices by provider and model; a model's name may hold `*`, and a whole name goes before a pattern."""

    models: Mapping[tuple[str, str], OwnPrices]
    _found: dict[tuple[str, str], OwnPrices | None] = field(
        default_factory=dict, init=False, repr=False, compare=False, hash=False
    )

    def find(self, provider_name: str, model: str) -> OwnPrices | None:
        """Return what is set for a model, or None."""
        key = (provider_name, model)
        try:
            return self._found[key]
        except KeyError:
            found = self._found[key] = self.models.get(key) or self._by_pattern(provider_name, model)
            return found

    def _by_pattern(self, provider_name: str, model: str) -> OwnPrices | None:
        matching = [
            pattern
            for provider, pattern in self.models
            if provider == provider_name and "*" in pattern and fnmatchcase(model, pattern)
        ]
        return self.models[provider_name, max(matching, key=len)] if matching else None

    def __bool__(self) -> bool:
        return bool(self.models)


def price_table(settings: Mapping[str, object], *, source: str) -> PriceTable:
    """Return the table that a settings file's `prices` hold: provider → model → rates.

    `source` names the file, and stands beside every price taken from it. Raises `ConfigurationError` naming the entry
    that cannot be read, and what it should be.
    """
    models: dict[tuple[str, str], OwnPrices] = {}
    for provider, entries in settings.items():
        for model, entry in _table(entries, f"{source}: prices.{provider}").items():
            models[provider, model] = _own_prices(
                _table(entry, f"{source}: prices.{provider}.{model!r}"),
                f"{source}: prices.{provider}.{model!r}",
                source,
            )
    return PriceTable(models=models)


def workspace_prices(folder: Path) -> PriceTable:
    """Return the prices set in a workspace: in its `batchwright.toml`, or else in its `pyproject.toml`."""
    return read_price_table(folder / "batchwright.toml") or read_price_table(folder / "pyproject.toml")


def read_price_table(path: Path) -> PriceTable:
    """Read the table `prices` of a TOML file (`tool.batchwright.prices` of a `pyproject.toml`).

    A file that is not there, or has no such table, sets nothing. Raises `ConfigurationError` for one that is no TOML.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig") if path.exists() else ""
        if "prices" not in text:  # a project file about other things may be one that nobody can read
            return PriceTable(models={})
        import tomllib  # noqa: PLC0415  (most workspaces have no such file)

        document: object = tomllib.loads(text, parse_float=Decimal)
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"cannot read prices from {path}: {exc}") from exc
    keys = ("tool", "batchwright", "prices") if path.name == "pyproject.toml" else ("prices",)
    for key in keys:
        document = document.get(key, {}) if isinstance(document, Mapping) else {}
    return price_table(_table(document, f"{path}: prices"), source=str(path))


def _own_prices(entry: Mapping[str, object], where: str, source: str) -> OwnPrices:
    unknown = entry.keys() - {*_KINDS, _BATCH}
    if unknown:
        raise ConfigurationError(f"{where}: no price {min(unknown)!r}; known: {', '.join((*_KINDS, _BATCH))}")
    live = _rates(entry, where)
    return OwnPrices(live=_sheet(live, source), batch=_batch(entry.get(_BATCH), live, where, source))


def _batch(value: object, live: TokenRates, where: str, source: str) -> PriceSheet | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return _sheet(_rates(value, f"{where}.batch"), source)
    factor = _amount(value, f"{where}.batch")
    changes = {kind: EXACT.multiply(rate, factor) for kind in _KINDS if (rate := getattr(live, kind)) is not None}
    return _sheet(replace(live, **changes), source)


def _sheet(rates: TokenRates, source: str) -> PriceSheet:
    return PriceSheet(bands=((0, rates),), source=source)


def _rates(entry: Mapping[str, object], where: str) -> TokenRates:
    return TokenRates(**{kind: _amount(entry[kind], f"{where}.{kind}") for kind in _KINDS if kind in entry})


def _amount(value: object, where: str) -> Decimal:
    try:
        # What a float was written as: 0.1 means a tenth, not the nearest binary fraction to it.
        amount = Decimal(str(value)) if isinstance(value, (int, float, str, Decimal)) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if isinstance(value, bool) or not amount.is_finite() or amount < 0:
        raise ConfigurationError(f"{where} is {value!r}; it is a number of dollars per million tokens, e.g. 0.25")
    return amount


def _table(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{where} is {value!r}; it is a table, e.g. {{ input = 0.25, output = 2 }}")
    return value
