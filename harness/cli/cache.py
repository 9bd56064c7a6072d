"""`assay cache`: what the answer cache holds, dropping some of it, looking for damage."""

from __future__ import annotations

import argparse
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ConfigError, EngineError
from harness.paths import ANSWERS_LIMIT_VARIABLE, answers_file, answers_limit_bytes, parse_size, show_size

if TYPE_CHECKING:
    from harness.engines.cache.upkeep import Holding

_DAY_S = 24 * 3600
_MOST_DAYS = 36_500
_DIGEST_SHOWN = 12
_NO_CACHE = "{path}: there is no answer cache yet"
_REPAIR = "`assay cache verify --repair` keeps what is sound and drops the rest; the next run computes what is missing"


def add_cache_command(commands: Any) -> None:
    """Add `cache` and its subcommands to the commands of `assay`."""
    cache = commands.add_parser("cache", help="show, prune or verify the cache of answers")
    actions = cache.add_subparsers(required=True, metavar="ACTION")

    stats = actions.add_parser("stats", help="its size, and what it holds of which model")
    stats.set_defaults(run=_stats)

    prune = actions.add_parser("prune", help=f"drop answers; without an option, down to {ANSWERS_LIMIT_VARIABLE}")
    prune.add_argument(
        "--to", metavar="SIZE", help="drop those unused for longest until it is this small: 500MiB, 2GiB"
    )
    prune.add_argument("--unused-for", metavar="DAYS", type=_days, help="drop those not used for so long")
    prune.add_argument(
        "--model", metavar="DIGEST", help="drop those of a model, by the digest in stats or its beginning"
    )
    prune.set_defaults(run=_prune)

    verify = actions.add_parser(
        "verify", help="check the file and every answer in it; exits 1 where something is wrong"
    )
    verify.add_argument("--repair", action="store_true", help="keep what is sound and drop the rest")
    verify.set_defaults(run=_verify)


def _days(text: str) -> float:
    number = float(text)
    if not 0 <= number <= _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"{text:.20} is no number of days: give one from 0 to {_MOST_DAYS:,}")
    return number


def _stats(arguments: argparse.Namespace) -> None:
    from harness.engines.cache.recovery import set_aside_files
    from harness.engines.cache.upkeep import holdings, size_bytes

    path = answers_file()
    print(f"file       {path}")
    if path.exists():
        with _open_cache(path) as connection:
            held, size = holdings(connection), size_bytes(connection)
        count = sum(holding.answers for holding in held)
        print(f"size       {show_size(size)} of at most {show_size(answers_limit_bytes())} ({ANSWERS_LIMIT_VARIABLE})")
        print(f"answers    {count:,}" + (f", {size / count:.0f} bytes each" if count else ""))
        if held:
            print(f"last used  {_span(held)}\n")
            print(_table(held))
    else:
        print("answers    none yet")
    for aside in set_aside_files(path):
        print(
            f"set aside  {aside.name}, {show_size(aside.stat().st_size)}; delete it when nobody wants to look into it"
        )


def _prune(arguments: argparse.Namespace) -> None:
    from harness.engines.cache.upkeep import drop_model, drop_oldest, drop_unused, holdings, shrink, size_bytes

    path = answers_file()
    if not path.exists():
        print(_NO_CACHE.format(path=path))
        return
    asked = (arguments.to, arguments.unused_for, arguments.model) != (None, None, None)
    to_bytes = parse_size(arguments.to, "--to") if arguments.to is not None else None
    with _open_cache(path) as connection:
        before, dropped = size_bytes(connection), 0
        if arguments.model is not None:
            dropped += drop_model(connection, _find_model(arguments.model, holdings(connection)))
        if arguments.unused_for is not None:
            dropped += drop_unused(connection, time.time() - arguments.unused_for * _DAY_S)
        if to_bytes is not None or not asked:
            dropped += drop_oldest(connection, to_bytes or answers_limit_bytes())
        shrink(connection)
        after = size_bytes(connection)
    print(f"{dropped:,} answers dropped; {show_size(before)} before, {show_size(after)} now")


def _verify(arguments: argparse.Namespace) -> int:
    from harness.engines.cache.recovery import check, repair

    path = answers_file()
    if not path.exists():
        print(_NO_CACHE.format(path=path))
        return 0
    with _refusals_explained(path):
        done = repair(path) if arguments.repair else ""
        health = check(path)
    if done:
        print(done)
    if health.problem:
        print(EngineError(f"assay: the answer cache {path} {health.problem}", _REPAIR), file=sys.stderr)
        return 1
    print(f"{path}: {health.answers:,} answers, all sound")
    return 0


@contextmanager
def _open_cache(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as it is: damage is told here, not repaired.

    Raises:
        EngineError: it is broken, or cannot be used.
    """
    from harness.engines.cache.file import BrokenFileError, connect, is_damage, locked

    with _refusals_explained(path):
        try:
            with locked(path):
                connection = connect(path)
            with closing(connection):
                yield connection
        except BrokenFileError as exc:
            raise EngineError(f"the answer cache {path} {exc}", _REPAIR) from exc
        except sqlite3.Error as exc:
            if not is_damage(path, exc):
                raise
            raise EngineError(f"the answer cache {path} is damaged: {exc}", _REPAIR) from exc


@contextmanager
def _refusals_explained(path: Path) -> Iterator[None]:
    from harness.engines.cache.file import refusal

    try:
        yield
    except (sqlite3.Error, OSError) as exc:
        raise refusal(path, exc) from exc


def _find_model(digest: str, held: Sequence[Holding]) -> str:
    found = {holding.model for holding in held if holding.model.startswith(digest)}
    if len(found) == 1:
        return found.pop()
    there = ", ".join(sorted(holding.model[:_DIGEST_SHOWN] for holding in held)) or "none"
    problem = f"--model={digest} is the beginning of {len(found) or 'no'} model's digest"
    raise ConfigError(problem, f"the models of the cache are {there}")


def _table(held: Sequence[Holding]) -> str:
    """A line a model, the one used last first."""
    from harness.report.text import table_text

    rows = [("model", "answers", "last used", "of which")]
    for model in dict.fromkeys(holding.model for holding in held):
        own = [holding for holding in held if holding.model == model]
        kinds = ", ".join(f"{holding.answers:,} {holding.kind}" for holding in sorted(own, key=lambda h: -h.answers))
        rows.append((model[:_DIGEST_SHOWN], f"{sum(holding.answers for holding in own):,}", _span(own), kinds))
    return table_text(rows, right=(1,))


def _span(held: Sequence[Holding]) -> str:
    first, last = min(h.first_used for h in held), max(h.last_used for h in held)
    return " to ".join(dict.fromkeys(time.strftime("%Y-%m-%d", time.gmtime(moment)) for moment in (first, last)))
