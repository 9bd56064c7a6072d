from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import main
from harness.config import find_config
from harness.config.settings import make_settings
from harness.errors import AssayError, ConfigError
from harness.paths import answers_limit_bytes, parse_size, show_size, user_path
from harness.runs.baselines import find_run
from harness.runs.storage import open_store

UNUSABLE = ["x" * 300, "~nobody-of-that-name/x", "a\0b", "\udcff"]


def _setting(name: str) -> Callable[[str], object]:
    return lambda text: make_settings(find_config(None, [Path.cwd()]), **{name: text})


@pytest.mark.parametrize(
    "take",
    [
        lambda text: user_path(text, "--to"),
        _setting("reports_dir"),
        _setting("data_dir"),
        _setting("baseline_store"),
        _setting("template"),
        lambda text: find_run(f"./{text}" if text[0] != "~" else text, Path("reports"), open_store("reports")),
    ],
    ids=["path", "reports_dir", "data_dir", "baseline_store", "template", "run"],
)
@pytest.mark.parametrize("text", UNUSABLE, ids=["too long", "nobody's home", "NUL", "no UTF-8"])
def test_what_no_path_can_be_is_one_error_wherever_it_is_given(
    text: str, take: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssayError) as error:
        take(text)
    assert error.value.remedy
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command", [["report"], ["migrate"], ["init"], ["compare", "--html"], ["train", "r", "--output"]]
)
def test_what_no_path_can_be_is_one_error_of_every_command(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for text in UNUSABLE:
        assert main([*command, text]) == 2
        told = capsys.readouterr().err
        assert told.startswith("assay: ") and "remedy: " in told and "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


def test_runs_are_written_behind_no_url() -> None:
    with pytest.raises(ConfigError, match="--reports-dir=s3://bucket/runs is a URL"):
        _setting("reports_dir")("s3://bucket/runs")


def test_the_home_of_a_person_is_found_in_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    settings = make_settings(find_config(None, [tmp_path]), reports_dir="~/runs", baseline_store="~/shelf")
    assert settings.reports_dir == tmp_path / "runs"
    assert settings.store == str(tmp_path / "shelf")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4", 4 << 30), ("0.5", 1 << 29), ("500MiB", 500 << 20), ("500 MB", 500 << 20), ("2g", 2 << 30),
        ("64 K", 64 << 10), ("1TiB", 1 << 40), (" 1.5GiB ", 3 << 29),
    ],
)  # fmt: skip
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text, "--to") == size


@pytest.mark.parametrize("text", ["", "much", "-1", "0", "0.0", "nan", "inf", "1e9", "4 GiBs", "MiB", "1,5"])
def test_what_is_no_size_is_refused_with_its_name_and_value(text: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_size(text, "--to")
    assert f"--to={text} is not a size" in str(error.value)
    assert "500MiB" in error.value.remedy


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (500 << 20, "500.0 MiB"),
        (4 << 30, "4.0 GiB"),
        (1 << 52, "4096.0 TiB"),
    ],
)
def test_sizes_are_shown_in_the_unit_that_fits(size: int, shown: str) -> None:
    assert show_size(size) == shown


def test_the_limit_of_the_cache_is_the_variables_or_4_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSAY_CACHE_LIMIT", raising=False)
    assert answers_limit_bytes() == 4 << 30
    monkeypatch.setenv("ASSAY_CACHE_LIMIT", "256MiB")
    assert answers_limit_bytes() == 256 << 20
    monkeypatch.setenv("ASSAY_CACHE_LIMIT", "lots")
    with pytest.raises(ConfigError, match="ASSAY_CACHE_LIMIT=lots is not a size"):
        answers_limit_bytes()
