"""Files that no page of the run would have saved are refused, each with what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from reviewed import answers, by, fill_in, stored_run

from harness.annotate.answers import Filled, check_once, read_answers
from harness.annotate.page import render_page
from harness.annotate.review import make_review
from harness.errors import DataError
from harness.runs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return stored_run(tmp_path_factory.mktemp("reports"), answers(6))


@pytest.fixture
def saved(run: Run, tmp_path: Path) -> Callable[..., Path]:
    """Fills in a page of the run, and saves it after a change."""

    def save(
        change: Callable[[dict[str, Any]], object] = lambda document: None,
        *,
        name: str = "a.json",
        annotator: str = "anna",
        seed: int = 0,
        of: Run = run,
    ) -> Path:
        page = tmp_path / "page.html"
        page.write_text(render_page(make_review(of, "talk", seed=seed)))
        path = fill_in(page, tmp_path / name, by(lambda n: "candidate"), annotator=annotator)
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))
        return path

    return save


def first(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda document: document["answers"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (first(item="0" * 12), "answer 1 is to the item '000000000000' (str), which is not on the page"),
        (first(item=["x"]), r"answer 1 is to the item ['x'] (list)"),
        (lambda d: d["answers"].append(d["answers"][0]), "answer 7 is a second one to the item"),
        (lambda d: d["answers"].append("yes"), "answer 7 is to the item None"),
        (first(prefer="3"), "answer 1 prefers '3' (str)"),
        (first(prefer=1), "answer 1 prefers 1 (int)"),
        (first(prefer=["1"]), "answer 1 prefers ['1'] (list)"),
        (first(rating_1=6), "answer 1 has the rating 6 (int)"),
        (first(rating_2=True), "answer 1 has the rating True (bool)"),
        (first(rating_2=2.0), "answer 1 has the rating 2.0 (float)"),
        (first(comment=7), "answer 1 has the comment 7 (int)"),
        (first(comment="x" * 2001), "answer 1 has the comment"),
        (lambda d: d.update(answers=[]), "'answers' is [] (list), not a list of answers"),
        (lambda d: d.pop("answers"), "'answers' is None"),
        (lambda d: d.update(schema=2), "has the schema 2 (int); this version reads 1"),
        (lambda d: d.update(seed="x"), "'seed' is 'x' (str)"),
        (lambda d: d.update(seed=1), "was saved by the page"),
        (lambda d: d.update(limit=3), "was saved by the page"),
        (lambda d: d.update(limit=-3), "'limit' is -3 (int)"),
        (lambda d: d.update(run="other"), "is about the run 'other', not 'r1'"),
    ],
)
def test_what_no_page_saves_is_refused(saved: Callable[..., Path], run: Run, change: Any, told: str) -> None:
    with pytest.raises(DataError) as caught:
        read_answers(saved(change), run)
    assert told in caught.value.problem
    assert caught.value.remedy


def test_a_torn_file_a_foreign_one_and_a_missing_one_are_agreement(saved: Callable[..., Path], run: Run) -> None:
    path = saved()
    path.write_text(path.read_text()[:100])
    with pytest.raises(DataError, match="is torn or no JSON"):
        read_answers(path, run)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="begins with a byte-order mark"):
        read_answers(path, run)
    path.write_text("[1]")
    with pytest.raises(DataError, match="holds a JSON list, not an object"):
        read_answers(path, run)
    path.unlink()
    with pytest.raises(DataError, match="is missing"):
        read_answers(path, run)


def test_a_page_of_samples_that_have_changed_is_refused(saved: Callable[..., Path], run: Run, tmp_path: Path) -> None:
    path = saved()
    again = stored_run(tmp_path / "again", answers(7))
    with pytest.raises(DataError, match="its samples have changed"):
        read_answers(path, again)


def test_nobody_judges_a_pair_twice(saved: Callable[..., Path], run: Run) -> None:
    def read(**settings: Any) -> Filled:
        return read_answers(saved(**settings), run)

    anna, again, ben = read(), read(name="again.json", seed=1), read(name="b.json", annotator="ben")
    check_once([anna, ben])
    for pages in ([anna, anna], [ben, again, anna]):
        with pytest.raises(DataError, match=r"'anna' judged the item 'q0\d' in"):
            check_once(pages)


def test_one_without_a_name_is_called_by_the_file(saved: Callable[..., Path], run: Run) -> None:
    assert read_answers(saved(name="carla.json", annotator="  "), run).annotator == "carla"
