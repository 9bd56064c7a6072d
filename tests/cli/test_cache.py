"""`assay cache`: what it shows, drops, finds and repairs."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from stored import MODEL, answers, store

from harness.cli import main
from harness.engines import AnswerCache
from harness.engines.cache.recovery import set_aside_files
from harness.paths import answers_file

OTHER = "b7" * 32
DAY_S = 24 * 3600


@pytest.fixture
def path() -> Path:
    """A cache of 300 answers of one model and 30 of another that were used ten days ago."""
    path = store(answers_file(), answers(300))
    store(path, answers(30, start=300), model=OTHER)
    change(path, "UPDATE answers SET used = used - ? WHERE model = 2", 10 * DAY_S)
    return path


def change(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement, values)
    connection.close()


def damage_a_row(path: Path) -> None:
    change(path, "UPDATE answers SET answer = substr(answer, 2) WHERE rowid = 7")


def damage_the_file(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096 * 5 : 4096 * 6] = bytes(4096)
    path.write_bytes(data)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["cache", *arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_stats_tells_of_size_kinds_models_and_last_use(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = run(capsys, "stats")
    assert code == 0
    today, then = (time.strftime("%Y-%m-%d", time.gmtime(time.time() - days * DAY_S)) for days in (0, 10))
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[0] == f"file {path}"
    assert lines[1].startswith("size ") and lines[1].endswith("KiB of at most 4.0 GiB (ASSAY_CACHE_LIMIT)")
    assert lines[2].startswith("answers 330, ")
    assert lines[3] == f"last used {then} to {today}"
    assert lines[-2] == f"{MODEL[:12]} 300 {today} 100 divergence, 100 generation, 100 score"
    assert lines[-1] == f"{OTHER[:12]} 30 {then} 10 divergence, 10 generation, 10 score"


@pytest.mark.parametrize("action", ["stats", "prune", "verify"])
def test_without_a_cache_it_says_so(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown, _ = run(capsys, action)
    assert code == 0
    assert str(answers_file()) in shown
    assert "none yet" in shown or "there is no answer cache yet" in shown
    assert not answers_file().exists()


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--unused-for=5"], 300),
        (["--unused-for=20"], 330),
        ([f"--model={OTHER}"], 300),
        ([f"--model={MODEL[:8]}"], 30),
        (["--to=24KiB"], range(1, 200)),
        ([], 330),
    ],
)
def test_prune_drops_what_was_asked_and_no_more(
    path: Path, capsys: pytest.CaptureFixture[str], options: list[str], left: int | range
) -> None:
    code, shown, _ = run(capsys, "prune", *options)
    assert code == 0
    kept = len(AnswerCache(path).get(list(answers(330))))
    assert kept == left if isinstance(left, int) else kept in left
    assert shown.startswith(f"{330 - kept} answers dropped; ")


def test_prune_without_options_keeps_to_the_limit(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_CACHE_LIMIT", "30KiB")
    assert run(capsys, "prune")[0] == 0
    assert path.stat().st_size <= 30 * 1024
    assert len(AnswerCache(path).get(list(answers(30, start=300)))) == 0  # unused for longest, so the first to go


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--to=much", ["--to=much is not a size", "500MiB"]),
        ("--model=ffff", ["--model=ffff is the beginning of no model's digest", MODEL[:12], OTHER[:12]]),
    ],
)
def test_prune_refuses_what_it_does_not_understand(
    path: Path, capsys: pytest.CaptureFixture[str], option: str, said: list[str]
) -> None:
    code, _, error = run(capsys, "prune", option)
    assert code == 2
    for words in said:
        assert words in error
    assert len(AnswerCache(path).get(list(answers(330)))) == 330


def test_verify_finds_a_sound_cache_sound(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "verify") == (0, f"{path}: 330 answers, all sound\n", "")
    assert run(capsys, "verify", "--repair") == (0, f"{path}: 330 answers, all sound\n", "")


@pytest.mark.parametrize(
    ("damage", "problem", "left"),
    [(damage_a_row, "has 1 damaged answers among 330", [329]), (damage_the_file, "is damaged: ", range(200, 331))],
)
def test_verify_exits_1_on_damage_says_what_to_do_and_repairs_when_told(
    path: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], problem: str, left: Sequence[int]
) -> None:
    damage(path)
    before = path.read_bytes()
    code, shown, error = run(capsys, "verify")
    assert (code, shown) == (1, "")
    assert f"{path} {problem}" in error
    assert "`assay cache verify --repair`" in error
    assert path.read_bytes() == before

    code, shown, error = run(capsys, "verify", "--repair")
    assert (code, error) == (0, "")
    assert problem in shown
    assert "all sound" in shown
    assert run(capsys, "verify")[0] == 0
    kept = AnswerCache(path).get(list(answers(330)))
    assert kept == {k: answers(330)[k] for k in kept}
    assert len(kept) in left
    assert len(set_aside_files(path)) == (damage is damage_the_file)


@pytest.mark.parametrize("action", ["stats", "prune", "verify"])
def test_a_broken_file_is_told_and_left_as_it_is(path: Path, capsys: pytest.CaptureFixture[str], action: str) -> None:
    path.write_bytes(b"broken" * 1000)
    code, _, error = run(capsys, action)
    assert code == (1 if action == "verify" else 2)
    assert f"{path} is damaged: file is not a database" in error
    assert "`assay cache verify --repair`" in error
    assert path.read_bytes() == b"broken" * 1000


def test_stats_names_the_files_that_were_set_aside(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(b"broken" * 1000)
    assert run(capsys, "verify", "--repair")[0] == 0
    (aside,) = set_aside_files(path)
    assert f"set aside  {aside.name}, 5.9 KiB" in run(capsys, "stats")[1]


@pytest.mark.parametrize(
    "arguments", [[], ["shrink"], ["prune", "--unused-for=long"], ["prune", "--unused-for=-1"], ["stats", "--repair"]]
)
def test_misuse_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["cache", *arguments])
    assert stop.value.code == 2
    assert "usage: assay" in capsys.readouterr().err
