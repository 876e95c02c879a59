"""The composed configuration as one validated record; its fields mirror the keys of `conf/config.yaml`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from facerec_core.arch import resolve_embedding, resolve_last
from facerec_core.errors import OptionError, UsageError, require
from facerec_core.latency import BoardSpec
from facerec_core.options import (
    Budget,
    DataOptions,
    EvalOptions,
    QuantOptions,
    Recipe,
    TrainOptions,
    check_resolution,
    check_width,
)
from facerec_core.types import Candidate

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PASSWORD = re.compile(r"(?<=://)([^:/@]*):[^@]*@")
_RESERVED_NAMES = ("latest", "all")
_ONE_A_SWEEP = ("sweep", "target_far", "workers", "force", "budget", "board", "executor", "paths", "tracking")
_NAME_RULE = "letters, digits, dots, dashes and underscores, up to 100, or null"


@dataclass(frozen=True)
class GridSettings:
    """The axes `plan` shows when neither is given: width multipliers, and input sides in pixels."""

    width: tuple[float, ...]
    res: tuple[int, ...]


@dataclass(frozen=True)
class SearchSettings:
    """How the search verb proposes candidates.

    `trials` is how many distinct candidates are trained at most. `space` maps what is searched to a list of values or
    to a range, as `sweep/search/space.py` reads it; groups of keys may be nested. `storage` is an Optuna address or
    the path of a journal file; None: `optuna.journal` in the root.
    """

    sampler: Literal["front", "tpe", "nsga2", "nsga3", "gp", "grid", "random"]
    trials: int
    objective: Literal["multi", "single"]
    pruner: Literal["none", "median", "hyperband"]
    storage: str | None
    reuse: bool
    seed: int
    space: Mapping[str, object] = field(hash=False)  # a mapping has no hash

    def __post_init__(self) -> None:
        require(self.trials >= 1, "search.trials", self.trials, "a whole number of at least 1")
        require(self.seed >= 0, "search.seed", self.seed, "a whole number of at least 0")
        require(self.storage != "", "search.storage", self.storage, "an Optuna address, a file, or null")
        alone = self.pruner == "none" or self.objective == "single"
        hint = "set search.objective=single to give up candidates early; there is no pruning by several objectives"
        require(alone, "search.pruner", self.pruner, "none with search.objective=multi", hint)


@dataclass(frozen=True)
class ExecutorSettings:
    """What candidates are carried through on; the keys of one kind are ignored by the others.

    `memory_gb` (None: an equal share of the machine's memory) and `free_gb` are in 10^9 bytes. `resources` are Dask's
    abstract resources by name.
    """

    kind: Literal["inprocess", "local", "dask"]
    tasks_a_worker: int
    memory_gb: float | None
    free_gb: float
    address: str | None
    scratch: str | None
    resources: Mapping[str, float] | None = field(hash=False)  # a mapping has no hash

    def __post_init__(self) -> None:
        tasks = self.tasks_a_worker
        require(tasks >= 1, "executor.tasks_a_worker", tasks, "a whole number of at least 1")
        more = self.memory_gb is None or self.memory_gb > 0
        require(more, "executor.memory_gb", self.memory_gb, "a number of gigabytes above 0, or null")
        require(self.free_gb >= 0, "executor.free_gb", self.free_gb, "a number of gigabytes of at least 0")
        reachable = self.kind != "dask" or (self.address is not None and "://" in self.address)
        require(reachable, "executor.address", self.address, "the address of a Dask scheduler, tcp://HOST:PORT")
        counts = all(value > 0 for value in (self.resources or {}).values())
        require(counts, "executor.resources", self.resources, "names with numbers above 0, such as {GPU: 1}, or null")


@dataclass(frozen=True)
class PathSettings:
    """Where results go; a relative root starts in the working directory."""

    root: str

    def __post_init__(self) -> None:
        require(bool(self.root), "paths.root", self.root, "a folder")

    @property
    def folder(self) -> Path:
        """The root as an absolute path; `~` is the user's home."""
        return Path(self.root).expanduser().resolve()


@dataclass(frozen=True)
class TrackingSettings:
    """MLflow's address (None: a SQLite file in the root), the name of its experiment, and how it is used.

    `patience_s` is how long a tracker that cannot be written is waited for; `register` names the registered model that
    the recommended variant becomes a version of (None: none).
    """

    uri: str | None
    experiment: str
    patience_s: float
    register: str | None

    def __post_init__(self) -> None:
        require(0 <= self.patience_s <= 86_400, "tracking.patience_s", self.patience_s, "0 to 86400 seconds")
        allowed = "a name without / or :, or null"
        fits = self.register is None or (bool(self.register.strip()) and not set("/:") & set(self.register))
        require(fits, "tracking.register", self.register, allowed)
        require(bool(self.experiment), "tracking.experiment", self.experiment, "a name")
        is_address = self.uri is None or "://" in self.uri
        require(is_address, "tracking.uri", self.uri, "http://HOST:PORT, sqlite:////FILE, or null")


@dataclass(frozen=True)
class Invocation:
    """What the user typed: the verb, and the whole command as one could paste it."""

    verb: str
    command: str


@dataclass(frozen=True)
class Settings:
    """One point of a sweep: everything that was chosen, checked.

    `width` is stored in its canonical form (four decimals), so that equal candidates compare equal.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    width: float
    res: int
    embedding: int | Literal["scaled"]
    last: int | Literal["scaled"] | None
    seed: int
    target_far: float
    sweep: str | None
    reference: Literal["mobilenet_v2_table"] | None
    workers: int
    force: bool
    grid: GridSettings
    data: DataOptions
    train: TrainOptions
    quant: QuantOptions
    eval: EvalOptions
    budget: Budget
    board: BoardSpec
    search: SearchSettings
    executor: ExecutorSettings
    paths: PathSettings
    tracking: TrackingSettings

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", check_width(self.width))
        check_resolution(self.res)
        resolve_embedding(self.embedding, self.width)
        resolve_last(self.last, self.width)
        require(self.workers >= 1, "workers", self.workers, "a whole number of at least 1")
        require(self.sweep is None or bool(_NAME.fullmatch(self.sweep)), "sweep", self.sweep, _NAME_RULE)
        _ = self.recipe  # checks target_far and seed

    @property
    def candidate(self) -> Candidate:
        """The architecture, its fingerprint's length resolved to a number."""
        length, last = resolve_embedding(self.embedding, self.width), resolve_last(self.last, self.width)
        return Candidate(self.width, self.res, length, last)

    @property
    def recipe(self) -> Recipe:
        """What decides the result besides the architecture."""
        return Recipe(self.data, self.train, self.quant, self.eval, self.target_far, self.seed)

    @property
    def config(self) -> dict[str, object]:
        """The resolved configuration as plain data, keyed like the files in `conf/`; passwords are left out."""
        config = asdict(self)
        for group, key in (("search", "storage"), ("tracking", "uri")):
            config[group][key] = _PASSWORD.sub(r"\1:***@", config[group][key] or "") or None
        return config


def make_settings(config: Mapping[str, object]) -> Settings:
    """Validate a composed, resolved configuration.

    Types are strict: a whole number may stand for a decimal one, nothing else is converted.

    Raises:
        OptionError: a value is of the wrong type, not allowed, or missing.
        UsageError: a key that does not exist.
    """
    try:
        return _ADAPTER.validate_json(json.dumps(config))
    except ValidationError as error:
        raise _first_problem(error.errors(include_url=False), config) from None


def check_sweep(points: Sequence[Settings]) -> None:
    """Refuse names the report verb keeps for itself, and several values of what one sweep has one of.

    Raises:
        OptionError: naming the key.
    """
    for key in _ONE_A_SWEEP:
        if len({getattr(point, key) for point in points}) > 1:
            raise OptionError(key, "several values", "one value a sweep", "give each a sweep=NAME of its own")
    if points[0].sweep in _RESERVED_NAMES:
        raise OptionError("sweep", points[0].sweep, "any other name; the report verb uses this one")


def unknown_key(key: str, known: Iterable[str]) -> UsageError:
    """The error for a key that does not exist, with the nearest that do."""
    near = get_close_matches(key, list(known), n=3, cutoff=0.6)
    advice = f"nearest: {', '.join(near)}" if near else "`python -m sweep run --cfg job` lists the keys"
    return UsageError(f"unknown key {key!r}, {advice}")


def dotted_keys(config: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """Every key of a nested mapping, groups and leaves, as typed on the command line."""
    for name, value in config.items():
        yield f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from dotted_keys(value, f"{prefix}{name}.")


_ADAPTER = TypeAdapter(Settings)
_RANGES: Mapping[str, Callable[[], object]] = {
    "width": lambda: check_width(math.nan),
    "res": lambda: check_resolution(0),
}
_TYPE_NAMES = {
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "none_required": "null",
    "tuple_type": "a list",
    "dataclass_type": "a group of keys",
    "missing": "a value",
}


def _first_problem(errors: list[ErrorDetails], config: Mapping[str, object]) -> UsageError:
    """Pydantic's findings as the one line the user can act on first."""
    keys = list(dotted_keys(config))
    first, key = errors[0], _key_of(errors[0], keys)
    if first["type"] == "unexpected_keyword_argument":
        return unknown_key(key, (k for k in keys if k != key))
    if first["type"] == "missing":
        return OptionError(key, None, "a value", "start a file of your own from `defaults: [default, _self_]`")
    if key in _RANGES:
        return _out_of_range(key, first["input"])
    alternatives = dict.fromkeys(_allowed(e) for e in errors if _key_of(e, keys) == key)
    return OptionError(key, first["input"], " or ".join(alternatives))


def _key_of(error: ErrorDetails, keys: list[str]) -> str:
    """The dotted key an error is about; pydantic appends the branch of a union, which is no key."""
    key = ".".join(map(str, error["loc"]))
    parent = ".".join(map(str, error["loc"][:-1]))
    union_branch = error["type"] != "missing" and key not in keys and parent in keys
    return parent if union_branch else key


def _allowed(error: ErrorDetails) -> str:
    if error["type"] == "literal_error":
        return str(error["ctx"]["expected"]).replace("'", "")
    return _TYPE_NAMES.get(error["type"], error["msg"])


def _out_of_range(key: str, received: object) -> OptionError:
    """The range check's own words, for a value that is not even a number."""
    try:
        _RANGES[key]()
    except OptionError as error:
        return OptionError(key, received, error.allowed, error.hint)
    raise AssertionError(key)
