"""Command-line overrides to validated settings.

Hydra's loader is used without its application, so it makes no output folders and configures no logging.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, MissingMandatoryValue, OmegaConfBaseException
from yaml import YAMLError

from facerec_core.errors import OptionError, UsageError
from sweep.grid import expand, searched
from sweep.schema import Settings, dotted_keys, make_settings, unknown_key

ROOT_CONFIG = "config"
_AXES = ("width", "res")


class Composer:
    """An open configuration. Every distinct choice of groups is loaded once; values are set on copies of it."""

    def __init__(self, hydra: Hydra, config_name: str) -> None:
        self.hydra = hydra
        self.config_name = config_name
        self._load = cache(self._load_groups)
        self._parse = cache(self._parse_line)
        self._options = cache(hydra.config_loader.get_group_options)

    def parse(self, lines: Sequence[str]) -> list[Override]:
        """Read override lines; `+group=` is the same as `group=` for a group that has a default.

        Raises:
            UsageError: a line that is no override.
        """
        return [self._parse(line) for line in lines]

    def one(self, lines: Sequence[str]) -> Settings:
        """Compose a single point.

        Raises:
            UsageError: an override that sweeps, a key that does not exist, or a value that is not allowed.
        """
        return make_settings(_plain(self.merge(self.single(lines))))

    def many(self, lines: Sequence[str], *, default_grid: bool = False) -> tuple[Settings, ...]:
        """Compose every point of the product of `lines`, equal points once.

        Args:
            lines: override lines, sweeps included; `hydra.sweeper.params` in a config file adds its own.
            default_grid: take the axes from `grid` when neither width nor res is overridden.

        Raises:
            UsageError: a key that does not exist, or a value that is not allowed.
        """
        overrides = self.parse(lines)
        constant = tuple(str(o.input_line) for o in overrides if not o.is_sweep_override())
        stated = self._sweeper_params(constant)
        given = {o.key_or_group for o in overrides}
        overrides = [o for o in self.parse(stated) if o.key_or_group not in given] + overrides
        if default_grid and not any(o.key_or_group in _AXES for o in overrides):
            grid = make_settings(_plain(self.merge(constant))).grid
            overrides += self.parse([f"{axis}={','.join(map(str, getattr(grid, axis)))}" for axis in _AXES])
        points = (make_settings(_plain(config)) for config in self._merged(expand(overrides)))
        return tuple(dict.fromkeys(points))

    def searching(self, lines: Sequence[str]) -> Settings:
        """Compose what a search starts from; a key that is given here is searched, or fixed, as it is given.

        `width=0.35,0.5` and `train.margin=interval(0.1,0.5)` become axes of `search.space`, and `res=96` takes that
        axis away.

        Raises:
            UsageError: a key that does not exist, or a value that is not allowed.
        """
        constant, axes, fixed = searched(self.parse(lines))
        config = self.merge(constant)
        space = config.search.space
        for key in fixed:
            if OmegaConf.select(space, key) is not None:
                _set(self._parse(f"~search.space.{key}"), config, self._load(())[1])
        for key, values in axes.items():
            OmegaConf.update(space, key, values, merge=False)
        return make_settings(_plain(config))

    def single(self, lines: Sequence[str]) -> list[str]:
        """The lines as Hydra takes them, or OptionError when one of them lists several values."""
        overrides = self.parse(lines)
        for override in overrides:
            if override.is_sweep_override():
                typed = str(override.input_line).partition("=")[2]
                raise OptionError(override.key_or_group, typed, "one value", "use multirun to sweep")
        return [str(o.input_line) for o in overrides]

    def merge(self, lines: Sequence[str]) -> DictConfig:
        """Compose sweep-free override lines without validating the result."""
        groups, values = self._split(lines)
        config, hydra = self._load(groups)
        config = copy.deepcopy(config)
        for override in values:
            _set(override, config, hydra)
        return config

    def _merged(self, points: Sequence[Sequence[str]]) -> Iterator[DictConfig]:
        """The configuration of each point, to be read before the next is asked for.

        A copy of the whole takes longer than all else about a point. Where it sets the same keys as the one before, to
        a value each, they are set over that one's.
        """
        config, before = DictConfig({}), None
        for lines in points:
            groups, values = self._split(lines)
            simple = all(o.type is OverrideType.CHANGE and not isinstance(o.value(), dict | list) for o in values)
            shape = (groups, [o.key_or_group for o in values]) if simple else None
            if shape is None or shape != before:
                config, before = self.merge(lines), shape
                yield config
                continue
            for override in values:
                _set(override, config, self._load(groups)[1])
            yield config

    def _split(self, lines: Sequence[str]) -> tuple[tuple[str, ...], list[Override]]:
        """Overrides Hydra has to load files for, as lines, and those that only set a value."""
        groups, values = [], []
        for override in self.parse(lines):
            if override.is_hydra_override() or self._is_group(override):
                groups.append(str(override.input_line))
            else:
                values.append(override)
        return tuple(groups), values

    def _sweeper_params(self, constant: Sequence[str]) -> list[str]:
        """What the chosen files themselves sweep over (Hydra's `hydra.sweeper.params`), as override lines."""
        groups, _ = self._split(constant)
        params = self._load(groups)[1].sweeper.params or {}
        return [f"{key}={values}" for key, values in params.items()]

    def _load_groups(self, lines: tuple[str, ...]) -> tuple[DictConfig, DictConfig]:
        """The configuration and Hydra's own, for a choice of groups."""
        with one_line_errors():
            config = self.hydra.config_loader.load_configuration(self.config_name, list(lines), RunMode.RUN)
        with open_dict(config):
            hydra = config.pop("hydra")
        if "search" in config:
            OmegaConf.set_struct(config.search.space, False)  # any key may be searched; the verb checks which
        return config, hydra

    def _parse_line(self, line: str) -> Override:
        parser = OverridesParser.create(config_loader=self.hydra.config_loader)
        with one_line_errors():
            override = parser.parse_overrides([line])[0]
        if override.is_add() and self._is_group(override) and override.key_or_group in self._default_groups():
            return replace(override, type=OverrideType.CHANGE, input_line=line.removeprefix("+"))
        return override

    def _is_group(self, override: Override) -> bool:
        """Whether a group is chosen; a mapping given for a group sets its values instead."""
        options = self._options(override.key_or_group)
        value = override.value()
        if options and isinstance(value, bool | int | float):
            raise OptionError(override.key_or_group, value, ", ".join(options))
        return bool(options) and not isinstance(value, dict)

    def _default_groups(self) -> set[str]:
        return set(self._load(())[1].runtime.choices)


def open_composer(config_dir: str | None = None, config_name: str = ROOT_CONFIG) -> Composer:
    """Open the configuration in `conf/`; files of the same name in `config_dir` take precedence.

    Raises:
        OptionError: `config_dir` is not a folder.
    """
    version.setbase("1.3")
    search_path = create_config_search_path("pkg://conf")
    if config_dir is not None:
        folder = Path(config_dir).resolve()
        if not folder.is_dir():
            raise OptionError("--config-dir", config_dir, "an existing folder of configuration groups")
        search_path.prepend("command-line", f"file://{folder}", SearchPathQuery(provider="main"))
    return Composer(Hydra("sweep", ConfigLoaderImpl(search_path)), config_name)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise into this project's errors, one line each."""
    try:
        yield
    except OverrideParseException as error:
        raise UsageError(
            f"cannot read {error.override!r}{_parse_reason(error)}; write KEY=VALUE, as in width=0.5"
        ) from None
    except MissingConfigException as error:
        raise _missing_file(error) from None
    except MissingMandatoryValue as error:
        raise OptionError(str(error.full_key), "???", "a value", f"set {error.full_key}=VALUE") from None
    except OmegaConfBaseException as error:
        raise UsageError(f"{error.full_key}: {str(error).splitlines()[0]}") from None
    except YAMLError as error:
        raise UsageError(f"not a configuration file: {' '.join(str(error).split())}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"a configuration file is not UTF-8 text: {error.reason} at byte {error.start}") from None
    except HydraException as error:
        reasons = (str(error), str(error.__cause__ or ""))
        raise UsageError("; ".join(" ".join(reason.split()) for reason in reasons if reason)) from None


def _parse_reason(error: OverrideParseException) -> str:
    """The grammar's complaint without the list of tokens it would have liked."""
    reasons = [line for line in str(error).splitlines()[1:] if not line.startswith("See ")]
    return f", {reasons[0].partition(' expecting ')[0]}" if reasons else ""


def _missing_file(error: MissingConfigException) -> UsageError:
    """A group without such an option, or a root file that is not there."""
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    if error.options:
        return OptionError(group, option, ", ".join(error.options))
    hint = "--config-name names a file in conf/ or in the folder given as --config-dir"
    return UsageError(f"no configuration file {error.missing_cfg_file!r}; {hint}")


def _set(override: Override, config: DictConfig, hydra: DictConfig) -> None:
    """Apply one value override in place, as Hydra does."""
    with one_line_errors():
        try:
            if override.key_or_group.startswith("search.space.") and not override.is_delete():
                # What is searched is replaced, never merged: a range may stand where a list stood.
                OmegaConf.update(config, override.key_or_group, override.value(), merge=False)
                return
            ConfigLoaderImpl._apply_overrides_to_config([override], config)
        except HydraException as error:
            if not isinstance(error.__cause__, ConfigKeyError | ConfigAttributeError):
                raise
            groups = (name for name in hydra.runtime.choices if not name.startswith("hydra/"))
            known = dict.fromkeys([*dotted_keys(_unresolved(config)), *groups])
            raise unknown_key(override.key_or_group, known) from None


def _unresolved(config: DictConfig) -> dict[str, object]:
    return {str(k): v for k, v in OmegaConf.to_container(config).items()}  # type: ignore[union-attr]


def _plain(config: DictConfig) -> dict[str, object]:
    with one_line_errors():
        plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    return {str(k): v for k, v in plain.items()}  # type: ignore[union-attr]
