"""The pictures of answers: confusion of labels, calibration of choices, lengths, slices."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from harness.records import Role, Sample
from harness.report.answers_shown import answers_shown
from harness.report.slice_bars import WIDTH, slice_bars


def sample(
    item: int, target: Any, parsed: Any, *, role: Role = "candidate", tokens: int = 3, **scores: float
) -> Sample:
    return Sample(
        "t", str(item), None, role, "d", "Q?", target, str(parsed), parsed, scores, {}, "eos", 1, tokens, 0.1, False
    )


def labelled(pairs: list[tuple[str, str | None]]) -> list[Sample]:
    return [sample(i, target, given, accuracy=float(target == given)) for i, (target, given) in enumerate(pairs)]


def test_labels_are_counted_against_one_another() -> None:
    pairs = [("cat", "cat")] * 6 + [("cat", "dog")] * 2 + [("dog", "dog")] * 3 + [("dog", None)]
    [shown] = answers_shown(labelled(pairs))
    assert shown.confusion is not None
    assert shown.confusion.columns == ("cat", "dog", "no label")
    assert [[cell.count for cell in cells] for _, cells in shown.confusion.matrix] == [[6, 2, 0], [0, 3, 1]]
    assert [(one.target, one.given, one.count) for one in shown.confusion.worst] == [
        ("cat", "dog", 2),
        ("dog", "no label", 1),
    ]
    cat, dog = shown.confusion.labels
    assert (cat.precision, cat.recall) == (1.0, 0.75)
    assert (dog.precision, dog.recall, dog.f1) == (0.6, 0.75, 2 / 3)


def test_too_many_labels_are_told_by_the_worst_confusions_alone() -> None:
    pairs: list[tuple[str, str | None]] = [(f"l{i:02}", f"l{(i + 1) % 40:02}") for i in range(40)]
    [shown] = answers_shown(labelled(pairs))
    assert shown.confusion is not None
    assert shown.confusion.matrix == () and len(shown.confusion.worst) == 15 and len(shown.confusion.labels) == 40


def test_labels_of_a_sensitive_task_are_not_shown() -> None:
    shown = answers_shown(labelled([("cat", "cat"), ("dog", "cat")]), sensitive=["t"])
    assert all(one.confusion is None for one in shown)


def test_free_text_is_no_classification() -> None:
    texts = [sample(i, f"answer {i}", f"answer {i}", exact_match=1.0) for i in range(9)]
    assert all(one.confusion is None for one in answers_shown(texts))


def choice(item: int, sure: float, right: bool) -> Sample:
    logprobs = [math.log(sure), math.log(1 - sure)]
    return sample(
        item, 0, {"choice_logprobs": logprobs, "gold": 0 if right else 1, "choice": 0}, tokens=1, acc=float(right)
    )


def test_calibration_holds_how_often_it_is_right_against_how_sure_it_is() -> None:
    choices = [choice(i, 0.6, i % 2 == 0) for i in range(10)] + [choice(i, 0.9, True) for i in range(10, 20)]
    [shown] = answers_shown(choices)
    [panel] = shown.panels
    assert panel.title == "Calibration"
    line = next(line for line in panel.lines if line.name == "candidate")
    assert [point.title for point in line.points][-1] == "sure 0.9: candidate 1.000"
    assert len(line.points) == 4


def test_lengths_are_shares_of_each_models_own_answers() -> None:
    answers = [sample(i, "x", "y", tokens=40 if i else 2, m=1.0) for i in range(4)]
    [shown] = answers_shown([*answers, sample(0, "x", "y", role="base", tokens=7, m=1.0)])
    [panel] = shown.panels
    assert [line.name for line in panel.lines] == ["base", "candidate"]
    heights = [float(point.title.rpartition(" ")[2]) for point in panel.lines[1].points]
    assert sum(heights) / 2 == 1.0 and max(heights) == 0.75


def test_latencies_are_shares_of_each_models_own_answers_and_the_slowest_do_not_stretch_them() -> None:
    def timed(count: int, role: Role, outlier: float) -> list[Sample]:
        times = [0.5 + i / count for i in range(count)] + [outlier]
        return [replace(sample(i, "x", "x", role=role), latency_s=took) for i, took in enumerate(times)]

    [shown] = answers_shown([*timed(99, "base", 60.0), *timed(99, "candidate", math.inf)])
    [panel] = [one for one in shown.panels if one.title == "Time to the answer"]
    assert [line.name for line in panel.lines] == ["base", "candidate"]
    assert panel.x_label == "seconds from the start of its batch"
    assert float(panel.x_ticks[-1].label) <= 1.5
    assert panel.missing == ""
    base = panel.lines[0].points
    shares = [float(point.title.rpartition(" ")[2]) for point in base[::2]]
    assert sum(shares) == pytest.approx(1.0, abs=0.02) and shares[0] == 0.0


def test_answers_that_all_took_alike_have_no_picture_of_their_time() -> None:
    [shown] = answers_shown([sample(i, "x", "x", tokens=2 + i) for i in range(9)])
    assert [panel.title for panel in shown.panels] == ["Length of the answers"]


def test_choices_that_were_scored_have_no_picture_of_their_time() -> None:
    scored = [replace(choice(i, 0.8, True), latency_s=float(i), stop_reason=None) for i in range(30)]
    assert "Time to the answer" not in [panel.title for one in answers_shown(scored) for panel in one.panels]


def test_slices_are_drawn_worst_first_whatever_else_stands_among_them() -> None:
    good = {"n": 9, "base": 0.5, "candidate": 1.0, "difference": 0.5, "adjusted_p": 0.01}
    bad = {"n": 8, "base": 0.5, "candidate": 0.25, "difference": -0.25, "regressed": 2}
    [drawn] = slice_bars(
        {"desk": {"a": good, "b": bad}, "odd": {"c": {"n": 1}}, "odder": 3}, "accuracy", higher_is_better=True
    )
    assert [(bar.name, bar.worse, bar.candidate_bar) for bar in drawn.bars] == [
        ("b", True, WIDTH / 4),
        ("a", False, WIDTH),
    ]
    [other] = slice_bars({"desk": {"a": good, "b": bad}}, "loss", higher_is_better=False)
    assert [bar.name for bar in other.bars] == ["a", "b"]
    assert slice_bars(None, "accuracy", higher_is_better=True) == ()
