from __future__ import annotations

import pytest

from harness.errors import ConfigError
from harness.paths import answers_limit_bytes, parse_size, show_size


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
