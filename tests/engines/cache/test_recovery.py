"""A damaged answer cache: never a wrong answer, never the end of the run, never the same again."""

from __future__ import annotations

import os
import random
import resource
import sqlite3
import stat
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cache_processes import PROCESSES, at_once, store_and_read_own
from stored import BATCH, MODEL, answers, key, store

from harness.engines import AnswerCache
from harness.engines.cache.recovery import CacheWarning, set_aside_files
from harness.engines.cache.upkeep import holdings
from harness.errors import EngineError

KEPT = answers(200)
KEYS = list(KEPT)
PAGE_BYTES = 4096

Damage = Callable[[bytearray, random.Random], None]


def flip_a_bit(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def flip_a_bit_of_the_header(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(100)] ^= 1 << rng.randrange(8)


def truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def zero_a_page(data: bytearray, rng: random.Random) -> None:
    start = PAGE_BYTES * rng.randrange(len(data) // PAGE_BYTES)
    data[start : start + PAGE_BYTES] = bytes(PAGE_BYTES)


def garble_a_page(data: bytearray, rng: random.Random) -> None:
    start = PAGE_BYTES * rng.randrange(len(data) // PAGE_BYTES)
    data[start : start + PAGE_BYTES] = rng.randbytes(PAGE_BYTES)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a cache that was closed."""
    return store(tmp_path_factory.mktemp("sound") / "a.sqlite", KEPT).read_bytes()


@pytest.fixture(scope="module")
def sound_with_log(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """The bytes of file and log of a cache whose process was killed: all answers are in the log."""
    path = tmp_path_factory.mktemp("sound") / "a.sqlite"
    cache = AnswerCache(path)
    for start in range(0, len(KEYS), BATCH):
        cache.put(MODEL, {k: KEPT[k] for k in KEYS[start : start + BATCH]})
    found = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    cache.close()
    return found


def check_still_of_use(path: Path) -> tuple[dict[str, object], list[Path]]:
    """Open a damaged cache, take what it has, store the rest; what it had, and what was set aside."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        cache = AnswerCache(path)
        found = cache.get(KEYS)
        assert found == {k: KEPT[k] for k in found}
        cache.put(MODEL, {k: KEPT[k] for k in KEYS if k not in found})
        assert cache.get(KEYS) == KEPT
        cache.put(MODEL, answers(50, start=1000))
        cache.close()
    aside = set_aside_files(path)
    assert len(aside) == len([w for w in warned if w.category is CacheWarning]) <= 1
    return dict(found), aside


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("damage", [flip_a_bit, flip_a_bit_of_the_header, truncate, zero_a_page, garble_a_page])
def test_no_damage_to_the_file_gives_a_wrong_answer_or_stops_the_work(
    sound: bytes, tmp_path: Path, damage: Damage, seed: int
) -> None:
    data = bytearray(sound)
    damage(data, random.Random(seed))
    path = tmp_path / "a.sqlite"
    path.write_bytes(data)
    _, aside = check_still_of_use(path)
    assert aside or damage is not truncate


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("damage", [flip_a_bit, truncate, zero_a_page])
def test_damage_to_the_log_costs_the_answers_behind_it_at_most(
    sound_with_log: tuple[bytes, bytes], tmp_path: Path, damage: Damage, seed: int
) -> None:
    file, log = sound_with_log[0], bytearray(sound_with_log[1])
    damage(log, random.Random(seed))
    path = tmp_path / "a.sqlite"
    path.write_bytes(file)
    Path(f"{path}-wal").write_bytes(log)
    found, aside = check_still_of_use(path)
    assert not aside
    assert len(found) % BATCH == 0


@pytest.mark.parametrize("data", [b"", b"not a database, but long enough to be one. " * 100])
def test_a_foreign_file_is_set_aside_whole_with_a_warning(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(data)
    with pytest.warns(
        CacheWarning, match=r"a\.sqlite is damaged.*set aside as a\.sqlite\.broken-.*none of its answers"
    ):
        AnswerCache(path).close()
    (aside,) = set_aside_files(path)
    assert aside.read_bytes() == data
    AnswerCache(path).close()  # a second warning would be an error


def test_a_file_of_another_version_is_set_aside_though_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, answer BLOB NOT NULL) WITHOUT ROWID")
    old.close()
    with pytest.warns(CacheWarning, match=r"not written by this version.*\(schema 0\)"):
        AnswerCache(path).close()
    assert len(set_aside_files(path)) == 1


def test_sound_answers_are_saved_from_both_ends_of_a_damaged_file(sound: bytes, tmp_path: Path) -> None:
    kept = answers(2000)
    path = store(tmp_path / "a.sqlite", kept)
    with sqlite3.connect(path) as file:
        query = "SELECT pageno FROM dbstat WHERE name = 'answers' AND pagetype = 'leaf' ORDER BY path"
        leaves = [number for (number,) in file.execute(query)]
    file.close()
    data = bytearray(path.read_bytes())
    start = PAGE_BYTES * (leaves[len(leaves) // 2] - 1)
    data[start : start + PAGE_BYTES] = bytes(PAGE_BYTES)
    path.write_bytes(data)

    cache = AnswerCache(path)
    with pytest.warns(CacheWarning, match=r"new one begun with 1,9\d\d of its answers"):
        found = cache.get(list(kept))
    lost = [number for number in range(2000) if key(number) not in found]
    assert found == {k: kept[k] for k in found}
    assert 0 < len(lost) <= lost[-1] - lost[0] + 1 < 100


@pytest.mark.parametrize("used", [None, "soon", b"", 1.5, 1 << 62, -(1 << 62)])
def test_a_damaged_time_of_use_costs_nothing(tmp_path: Path, used: object) -> None:
    path = store(tmp_path / "a.sqlite", answers(3))
    file = sqlite3.connect(path, isolation_level=None)
    file.execute("PRAGMA writable_schema=ON")
    file.execute("UPDATE sqlite_master SET sql = replace(sql, 'used INTEGER NOT NULL', 'used') WHERE name = 'answers'")
    file.close()
    file = sqlite3.connect(path, isolation_level=None)
    file.execute("UPDATE answers SET used = ?", (used,))
    file.execute("PRAGMA writable_schema=ON")
    file.execute(
        "UPDATE sqlite_master SET sql = replace(sql, 'used,', 'used INTEGER NOT NULL,') WHERE name = 'answers'"
    )
    file.close()
    cache = AnswerCache(path)
    assert cache.get(list(answers(3))) == answers(3)
    cache.close()
    with closing(sqlite3.connect(path)) as connection:
        assert sum(holding.answers for holding in holdings(connection)) == 3


def test_a_file_deleted_under_an_open_cache_is_begun_anew(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "a.sqlite")
    cache.put(MODEL, answers(3))
    for file in tmp_path.glob("a.sqlite*"):
        file.unlink()
    assert cache.get(KEYS) == {}
    cache.put(MODEL, answers(2))
    assert AnswerCache(tmp_path / "a.sqlite").get(KEYS) == answers(2)


def test_the_log_of_a_deleted_file_is_not_taken_for_the_new_ones(
    sound_with_log: tuple[bytes, bytes], tmp_path: Path
) -> None:
    Path(tmp_path / "a.sqlite-wal").write_bytes(sound_with_log[1])
    cache = AnswerCache(tmp_path / "a.sqlite")
    assert cache.get(KEYS) == {}
    cache.put(MODEL, KEPT)
    assert cache.get(KEYS) == KEPT


def test_processes_that_meet_the_broken_file_at_once_set_it_aside_once_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"broken" * 1000)
    at_once(store_and_read_own, path)
    assert len(set_aside_files(path)) == 1
    everything = {k: a for number in range(PROCESSES) for k, a in answers(100, start=1000 * number).items()}
    assert AnswerCache(path).get(list(everything)) == everything


def test_a_process_with_the_old_file_open_goes_over_to_the_new_one(tmp_path: Path) -> None:
    path = store(tmp_path / "a.sqlite", KEPT)
    one, other = AnswerCache(path), AnswerCache(path)
    assert other.get(KEYS) == KEPT
    for file in tmp_path.glob("a.sqlite*"):
        if not file.name.endswith(".lock"):
            file.rename(file.with_name(f"moved{file.name[8:]}"))
    one.put(MODEL, answers(5, start=500))
    other.put(MODEL, answers(5, start=600))
    assert set(one.get([key(500), key(600)])) == {key(500), key(600)}
    assert one.get(KEYS) == {}


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A directory of an ordinary user, and this process without the rights of root."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        path, user = Path(directory), os.geteuid()
        if user == 0:
            os.chown(path, 65534, -1)
            os.setresuid(65534, 65534, 0)
        try:
            yield path
        finally:
            if user == 0:
                os.setresuid(0, 0, 0)
                os.chown(path, 0, -1)  # a root without the right to override permissions has to remove it too
            path.chmod(0o700)


@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_directory_that_cannot_be_written_is_named_with_its_remedy(unprivileged: Path, mode: int) -> None:
    unprivileged.chmod(mode)
    with pytest.raises(EngineError, match=r"a\.sqlite cannot be used") as error:
        AnswerCache(unprivileged / "a.sqlite")
    assert "writable" in error.value.remedy
    assert "ASSAY_CACHE_DIR" in error.value.remedy


def test_a_file_that_cannot_be_written_is_named_and_not_set_aside(unprivileged: Path) -> None:
    path = store(unprivileged / "a.sqlite", KEPT)
    path.chmod(0o400)
    cache = AnswerCache(path)
    with pytest.raises(EngineError, match="readonly") as error:
        cache.put(MODEL, answers(1))
    assert "writable" in error.value.remedy
    assert not set_aside_files(path)


def test_a_full_disk_is_named_and_what_was_stored_stays(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "a.sqlite")
    cache.put(MODEL, KEPT)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(tmp_path / "a.sqlite-wal").stat().st_size, limits[1]))
    try:
        with pytest.raises(EngineError, match=r"a\.sqlite cannot be used") as error:
            cache.put(MODEL, answers(500, start=5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "disk" in error.value.remedy
    assert cache.get(KEYS) == KEPT
    assert not set_aside_files(tmp_path / "a.sqlite")
    cache.put(MODEL, answers(500, start=5000))


def test_nobody_else_can_read_the_files(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "a.sqlite")
    cache.put(MODEL, KEPT)
    for name in ("a.sqlite", "a.sqlite-wal", "a.sqlite-shm"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600, name
