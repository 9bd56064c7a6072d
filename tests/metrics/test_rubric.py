"""A rubric is words or the one-word path of a file with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import TaskError
from harness.metrics.rubric import RUBRIC


def test_a_rubric_is_as_written_or_as_its_file_says(tmp_path: Path) -> None:
    (tmp_path / "tone.md").write_text("Polite, and names the next step.\n")
    written = RUBRIC.make("Polite, and names the next step.", tmp_path, task="talk")
    of_file = RUBRIC.make("tone.md", tmp_path, task="talk")
    assert written == of_file
    assert (written.name, written.metric.range) == ("rubric", (1.0, 10.0))
    assert RUBRIC.make("Is it polite?", tmp_path, task="talk", name="polite").name == "polite"
    assert RUBRIC.make("word " * 5000, tmp_path, task="talk").text  # longer than any path may be


@pytest.mark.parametrize(
    ("argument", "remedy"),
    [
        ("", "say in words"),
        (["polite"], "say in words"),
        ("tone.md", "the path of a text file: .*is missing"),
        ("empty.md", "it is empty"),
    ],
)
def test_what_is_no_rubric_is_refused(tmp_path: Path, argument: Any, remedy: str) -> None:
    (tmp_path / "empty.md").write_text("\n")
    with pytest.raises(TaskError, match=f"task 'talk': metrics: rubric is .*\n.*{remedy}"):
        RUBRIC.make(argument, tmp_path, task="talk")
