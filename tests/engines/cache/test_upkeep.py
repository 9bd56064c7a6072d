"""The size limit of the answer cache, which answers go first, and several processes at it at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cache_processes import PROCESSES, at_once, store_and_read_all
from stored import MODEL, answers, key, store

from harness.engines import AnswerCache
from harness.engines.cache.answers import USE_RESOLUTION_S
from harness.engines.cache.upkeep import Holding, drop_model, drop_oldest, drop_unused, holdings, shrink, size_bytes

OTHER = "b7" * 32
KIB = 1024
SECONDS = 1_800_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.sqlite"


@pytest.fixture
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a cache of 2,000 answers, as the commands open it."""
    store(path, answers(2000))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def file_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))


def at(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let it be that time for the cache."""
    monkeypatch.setattr("harness.engines.cache.answers.time.time", lambda: seconds)


def used(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        return {k.hex(): moment for k, moment in connection.execute("SELECT key, used FROM answers")}


def test_beyond_its_limit_it_drops_what_was_stored_first_and_the_file_stays_small(path: Path) -> None:
    cache = AnswerCache(path, limit_bytes=300 * KIB)
    for start in range(0, 6000, 100):
        cache.put(MODEL, answers(100, start=start))
    assert cache.get(list(answers(100, start=5900))) == answers(100, start=5900)
    assert cache.get(list(answers(2000))) == {}
    cache.close()
    assert 150 * KIB < file_bytes(path) <= 300 * KIB
    assert path.stat().st_size == file_bytes(path)


def test_what_is_used_again_outlives_what_is_not(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, SECONDS)
    store(path, answers(1000))
    at(monkeypatch, SECONDS + 2 * USE_RESOLUTION_S)
    cache = AnswerCache(path, limit_bytes=path.stat().st_size)
    precious = list(answers(100))
    cache.get(precious)
    cache.put(MODEL, answers(200, start=1000))
    assert cache.get(precious) == answers(100)
    left = cache.get(list(answers(900, start=100)))
    assert 0 < len(left) < 900
    assert key(100) not in left


def test_a_use_is_written_once_a_day_and_not_for_every_reading(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, SECONDS)
    store(path, answers(10))
    cache = AnswerCache(path)
    at(monkeypatch, SECONDS + USE_RESOLUTION_S - 1)
    cache.get(list(answers(10)))
    assert set(used(path).values()) == {SECONDS}
    at(monkeypatch, SECONDS + USE_RESOLUTION_S)
    cache.get(list(answers(4)))
    assert used(path) == {k: SECONDS + (USE_RESOLUTION_S if k in answers(4) else 0) for k in answers(10)}


def test_without_a_limit_nothing_is_dropped(path: Path) -> None:
    assert AnswerCache(store(path, answers(1500))).get(list(answers(1500))) == answers(1500)


def test_dropping_gives_the_space_back_to_the_disk(opened: sqlite3.Connection, path: Path) -> None:
    before = size_bytes(opened)
    dropped = drop_oldest(opened, before // 3)
    assert size_bytes(opened) <= before // 3
    assert path.stat().st_size == size_bytes(opened)
    assert [h.answers for h in holdings(opened)] and sum(h.answers for h in holdings(opened)) == 2000 - dropped
    assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_dropping_stops_when_there_is_nothing_left(opened: sqlite3.Connection) -> None:
    assert drop_oldest(opened, 1) == 2000
    assert holdings(opened) == []


def test_dropping_what_another_process_dropped_already_does_nothing(opened: sqlite3.Connection) -> None:
    assert drop_oldest(opened, 1, above=size_bytes(opened)) == 0


def test_unused_answers_and_those_of_a_model_can_be_dropped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, SECONDS)
    store(path, answers(90))
    at(monkeypatch, SECONDS + 9 * USE_RESOLUTION_S)
    store(path, answers(60, start=90), model=OTHER)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        late = SECONDS + 9 * USE_RESOLUTION_S
        assert holdings(connection) == [
            *(Holding(OTHER, kind, 20, late, late) for kind in ("divergence", "generation", "score")),
            *(Holding(MODEL, kind, 30, SECONDS, SECONDS) for kind in ("divergence", "generation", "score")),
        ]
        assert drop_unused(connection, SECONDS) == 0
        assert drop_unused(connection, SECONDS + 1) == 90
        assert drop_model(connection, MODEL) == 0
        assert drop_model(connection, OTHER) == 60
        shrink(connection)
        assert connection.execute("SELECT count(*) FROM models").fetchone() == (0,)


def test_processes_write_and_read_at_once_and_every_answer_arrives(path: Path) -> None:
    at_once(store_and_read_all, path)
    everything = answers(400, start=9000)
    for number in range(PROCESSES):
        everything |= answers(400, start=1000 * number)
    assert AnswerCache(path).get(list(everything)) == everything
