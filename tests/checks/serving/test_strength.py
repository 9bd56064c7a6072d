"""The served strength out of numbers alone: estimates, intervals that hold as often as they say, and drift."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.checks.serving.asking import Heard
from harness.checks.serving.line import BASE, CANDIDATE, STRENGTHS, Line, Probe
from harness.checks.serving.strength import change, drift, nearer_the_candidate, strength

PROBES, TOKENS = 64, 12
NOISE = 0.05


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def line(seed: int = 0) -> tuple[Line, np.ndarray, np.ndarray]:
    """A line whose strength adds in logits; and the logits of the base, and what the adapter adds."""
    drawn = np.random.default_rng(seed)
    base, added = drawn.normal(0, 2, (PROBES, TOKENS)), drawn.normal(0, 1.5, (PROBES, TOKENS))
    said = np.stack([log_softmax(base + at * added) for at in STRENGTHS])
    rounded = log_softmax(base + added + drawn.normal(0, NOISE, base.shape))
    probes = [Probe(index // 2, index % 2, (index,), None) for index in range(PROBES)]
    return Line(probes, np.tile(np.arange(TOKENS), (PROBES, 1)), said, rounded), base, added


def heard(
    base: np.ndarray, added: np.ndarray, at: float, seed: int, *, tells: bool = True, noise: float = NOISE
) -> Heard:
    drawn = np.random.default_rng(seed)
    values = log_softmax(base + at * added + drawn.normal(0, noise, base.shape))
    chosen = values.argmax(axis=1)
    shown = np.where(values >= np.sort(values, axis=1)[:, -5:-4], values, np.nan)
    return Heard(shown if tells else np.full_like(values, np.nan), chosen, tells, ())


@pytest.mark.parametrize("at", [0.0, 0.25, 0.5, 1.0, 1.3, 2.0])
def test_the_strength_is_found_by_log_probabilities_and_by_written_tokens(at: float) -> None:
    made, base, added = line()
    by_values = strength(made, heard(base, added, at, 1))
    assert by_values.value == pytest.approx(at, abs=0.03)
    by_choice = strength(made, heard(base, added, at, 1, tells=False))
    assert by_choice.low <= at + 0.05 and by_choice.high >= at - 0.05
    assert by_values.high - by_values.low < by_choice.high - by_choice.low


def test_intervals_hold_the_strength_about_as_often_as_they_say() -> None:
    """Of 200 servers at the candidate's strength, whose log-probabilities rounding moves, no interval is far from 1."""
    made, base, added = line()
    found = [strength(made, heard(base, added, 1.0, seed)) for seed in range(200)]
    assert sum(one.low <= 1 <= one.high for one in found) >= 180
    assert all(one.low > 0.85 and one.high < 1.15 for one in found)
    assert (
        sum(
            one.low > 1.15 or one.high < 0.85
            for one in (strength(made, heard(base, added, 1.0, seed, tells=False)) for seed in range(40))
        )
        == 0
    )


def test_what_is_nearer_which_end_is_counted() -> None:
    made, base, added = line()
    for tells in (True, False):
        own, off, third = (nearer_the_candidate(made, heard(base, added, at, 1, tells=tells)) for at in (1.0, 0.0, 0.3))
        assert own.value == 1.0 and off.value < 0.1  # near ties are anybody's
        assert third.value < 0.5
        assert nearer_the_candidate(made, heard(base, added, 0.0, 1, tells=tells), other=BASE).value > 0.9


def test_another_direction_is_no_strength_but_a_drift() -> None:
    made, base, added = line()
    turned = np.random.default_rng(5).permutation(added.ravel()).reshape(added.shape)
    elsewhere = heard(base, turned, 1.0, 1)
    assert nearer_the_candidate(made, elsewhere).high < 0.5
    assert drift(made, elsewhere, strength(made, elsewhere).value).low > 4


def test_drift_is_told_in_multiples_of_what_rounding_moves() -> None:
    made, base, added = line()
    for times in (1, 10):
        off = heard(base, added, 1.0, 3, noise=times * NOISE)
        assert drift(made, off, 1.0).value == pytest.approx(times, rel=0.4)
    first, second = (heard(base, added, 1.0, seed) for seed in (3, 4))
    assert change(made, second, first).value == pytest.approx(2**0.5, rel=0.4)
    assert change(made, first, first).value == 0


def test_a_strength_between_or_beyond_those_that_were_computed_lies_on_the_line() -> None:
    made, _, _ = line()
    assert np.array_equal(made.at(1.0), made.said[CANDIDATE])
    assert np.allclose(made.at(0.925), (made.said[CANDIDATE - 1] + made.said[CANDIDATE]) / 2)
    assert np.allclose(made.at(-0.3), 2 * made.said[BASE] - made.said[BASE + 1])


def test_a_server_that_tells_of_other_tokens_or_of_none_has_changed() -> None:
    made, base, added = line()
    before = heard(base, added, 1.0, 3)
    silent = replace(before, values=np.full_like(before.values, np.nan))
    others = replace(before, values=np.where(np.isfinite(before.values), np.nan, -1.0))
    for after in (silent, others):
        assert change(made, after, before).low > 4
    assert change(made, before, silent).value == 0  # what it told of nothing before cannot be held against


def test_by_written_tokens_only_places_count_at_which_a_text_shows_both() -> None:
    made, base, added = line()
    said = heard(base, added, 1.0, 1, tells=False)
    own, theirs = made.said[CANDIDATE].argmax(axis=1), made.said[BASE].argmax(axis=1)
    apart = np.flatnonzero(own != theirs)
    hidden = apart[::2]
    shown = np.ones(made.tokens.shape, dtype=bool)
    shown[hidden, own[hidden]] = False
    chosen = said.chosen.copy()
    chosen[hidden] = -1  # nobody knows which it was
    found = nearer_the_candidate(made, replace(said, chosen=chosen, shown=shown))
    assert (found.value, found.n) == (1.0, len(apart) - len(hidden))
