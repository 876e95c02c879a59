"""The command line: verbs, and the flags that show a configuration instead of acting on it.

Everything slow is imported where it is used, so that `--help` answers at once.
"""

from __future__ import annotations

import os
import shlex
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO

from facerec_core.errors import FacerecError, OptionError, UsageError
from sweep.arguments import flag_names, make_parser, parse_flags, split_verb
from sweep.help import VERBS, overview, verb_help

if TYPE_CHECKING:
    from sweep.compose import Composer
    from sweep.plan import PlannedCandidate
    from sweep.schema import Settings

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 0, 1, 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; status 0, 1 a candidate failed or fell behind, 2 not understood, 130 interrupted."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        status = _dispatch(arguments)
        sys.stdout.flush()
    except FacerecError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _give_up_output()  # whoever read the output has gone
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if error.filename is not None or not _output_fails():
            raise
        _give_up_output()
        sys.stderr.write(f"error: cannot write standard output: {error.strerror or error}\n")
        return EXIT_USAGE
    return status


def _output_fails() -> bool:
    """Whether standard output is what cannot be written: another line fails, too."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        return True
    return False


def _give_up_output() -> None:
    """Nothing may be flushed to standard output at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _dispatch(argv: list[str]) -> int:
    if not argv:
        return _print(overview())
    verb, rest = split_verb(argv)
    flags = parse_flags(verb, rest)
    if flags.help:
        return _print(verb_help(VERBS[verb], make_parser(verb).format_help()) if verb else overview())
    if flags.shell_completion:
        return _shell_completion(flags.shell_completion)
    if verb is None and flags.version:
        return _print(f"{_version()}\n")
    if flags.cfg or flags.info or flags.hydra_help or flags.resolve or flags.package:
        return _show(flags)
    if verb is None:
        raise UsageError(f"no verb given, allowed: {', '.join(VERBS)}")
    return _ACTIONS[verb](flags, shlex.join(["python", "-m", "sweep", *argv]))


def _print(text: str) -> int:
    sys.stdout.write(text)
    return EXIT_OK


def _version() -> str:
    import tomllib
    from importlib.metadata import PackageNotFoundError, version
    from pathlib import Path

    try:
        return version("facerec-sweep")
    except PackageNotFoundError:
        project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text(encoding="utf-8"))
        return f"{project['project']['version']} (checkout)"


def _composer(flags: Namespace) -> Composer:
    from sweep.compose import open_composer

    return open_composer(flags.config_dir, flags.config_name)


def _run(flags: Namespace, command: str) -> int:
    return _train("run", (_composer(flags).one(flags.overrides),), command)


def _multirun(flags: Namespace, command: str) -> int:
    return _train("multirun", _composer(flags).many(flags.overrides), command)


def _train(verb: str, points: tuple[Settings, ...], command: str) -> int:
    from sweep.schema import Invocation, check_sweep

    check_sweep(points)
    from sweep.runner import run_sweep

    return run_sweep(points, Invocation(verb, command))


def _search(flags: Namespace, command: str) -> int:
    settings = _composer(flags).searching(flags.overrides)
    from sweep.schema import Invocation, check_sweep

    check_sweep((settings,))
    from sweep.search import run

    return run(settings, Invocation("search", command))


def _plan(flags: Namespace, _command: str) -> int:
    points = _composer(flags).many(flags.overrides, default_grid=True)
    from sweep.forecast import forecaster
    from sweep.plan import plan, write_csv, write_json

    write = write_json if flags.json else write_csv if flags.csv else _write_plan_table
    write(plan(points, forecaster(points)), sys.stdout)
    sys.stdout.flush()
    return EXIT_OK


def _write_plan_table(candidates: Sequence[PlannedCandidate], out: TextIO) -> None:
    from sweep.plan_table import write_table  # Rich, which only the table needs

    write_table(candidates, out)


def _data(flags: Namespace, _command: str) -> int:
    from sweep.data import run

    return run(flags, _composer(flags))


def _latency(flags: Namespace, _command: str) -> int:
    from sweep.latency import run

    return run(flags, _composer(flags))


def _gallery(verb: str) -> Callable[[Namespace, str], int]:
    def action(flags: Namespace, _command: str) -> int:
        from sweep.gallery import run

        return run(verb, flags, _composer(flags))

    return action


def _export(flags: Namespace, command: str) -> int:
    from sweep.export import run

    return run(flags, _composer(flags), command)


def _report(flags: Namespace, command: str) -> int:
    settings = _composer(flags).one(flags.overrides)
    if settings.reference is not None:
        from sweep.reference import lay_out

        return lay_out(settings, command)
    from sweep.reporting import report

    return report(settings, settings.target_far if _typed_far(flags) else None)


def _compare(flags: Namespace, _command: str) -> int:
    settings = _composer(flags).one(flags.overrides)
    from sweep.compare import compare

    return compare(settings, flags, settings.target_far if _typed_far(flags) else None)


def _typed_far(flags: Namespace) -> bool:
    """Whether a false accept rate was asked for; a sweep is otherwise judged by its own."""
    return any(line.lstrip("+").startswith("target_far=") for line in flags.overrides)


def _status(flags: Namespace, _command: str) -> int:
    settings = _composer(flags).one(flags.overrides)
    from sweep.status import status

    return status(settings, flags.json)


def _ui(flags: Namespace, _command: str) -> int:
    settings = _composer(flags).one(flags.overrides)
    from sweep.ui import serve

    return serve(settings, flags.port)


def _studio(flags: Namespace, command: str) -> int:
    from sweep.studio import run

    return run(flags, _composer(flags), command)


_ACTIONS: dict[str, Callable[[Namespace, str], int]] = {
    "run": _run,
    "multirun": _multirun,
    "search": _search,
    "plan": _plan,
    "data": _data,
    "latency": _latency,
    "enroll": _gallery("enroll"),
    "identify": _gallery("identify"),
    "verify": _gallery("verify"),
    "gallery": _gallery("gallery"),
    "export": _export,
    "report": _report,
    "compare": _compare,
    "status": _status,
    "ui": _ui,
    "studio": _studio,
}


def _show(flags: Namespace) -> int:
    """`--cfg`, `--info` and `--hydra-help`, all answered by Hydra."""
    import logging

    from hydra._internal.utils import get_args_parser

    logging.raiseExceptions = False  # Hydra prints through logging, which would report a closed pipe line by line
    if (flags.resolve or flags.package) and not flags.cfg:
        raise UsageError("--resolve and --package say how to print a configuration; add --cfg job")
    composer = _composer(flags)
    hydra, name, lines = composer.hydra, composer.config_name, composer.single(flags.overrides)
    composer.merge(lines)  # says what is wrong in one line; Hydra would print a traceback
    try:
        if flags.cfg:
            hydra.show_cfg(name, lines, flags.cfg, flags.package, flags.resolve)
        elif flags.info:
            hydra.show_info(flags.info, name, lines)
        else:
            hydra.hydra_help(name, get_args_parser(), flags)
    except SystemExit:  # --package names nothing; Hydra has said so
        return EXIT_USAGE
    return EXIT_OK


def _shell_completion(request: str) -> int:
    from sweep.completion import SCRIPTS

    if request in SCRIPTS:
        return _print(SCRIPTS[request])
    line = os.environ.get("COMP_LINE")
    if request != "query=bash" or line is None:
        raise OptionError(
            "--shell-completion", request, ", ".join(SCRIPTS), 'eval "$(python -m sweep -sc install=bash)"'
        )
    return _print("\n".join(_completions(line)) + "\n")


def _completions(line: str) -> list[str]:
    """What the last word of a command line can become."""
    from sweep.completion import complete_override, typed_words

    *before, word = typed_words(line) or [""]
    if not before:
        return flag_names(None) if word.startswith("-") else list(VERBS)
    verb, rest = split_verb(before)
    if word.startswith("-"):
        return flag_names(verb)
    flags = parse_flags(verb, rest)
    return complete_override(_composer(flags), flags.overrides, word)
