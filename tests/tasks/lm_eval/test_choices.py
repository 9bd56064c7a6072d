from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.metrics.choices import brier, choice_metrics, choice_scores, expected_calibration_error

LOGPROBS = st.lists(st.floats(-50, 0), min_size=2, max_size=6)
ANSWERS = st.lists(st.tuples(LOGPROBS, st.integers(0, 1)), min_size=1, max_size=30)


def parsed(*answers):
    return [{"choice_logprobs": list(p), "gold": g, "choice": int(np.argmax(p))} for p, g in answers]


def logs(*probabilities):
    return [math.log(p) for p in probabilities]


def test_brier_sums_over_all_choices():
    assert brier(logs(0.7, 0.2, 0.1), 0) == pytest.approx(0.09 + 0.04 + 0.01)
    assert brier([0.0, -math.inf], 0) == 0.0
    assert brier([0.0, -math.inf], 1) == 2.0


def test_brier_equals_lm_evals():
    from lm_eval.api.metrics import brier_score as theirs

    answers = [(logs(0.7, 0.2, 0.1), 1), (logs(0.1, 0.3, 0.6), 2)]
    expected = theirs([(gold, np.exp(p)) for p, gold in answers])
    assert np.mean([brier(p, gold) for p, gold in answers]) == pytest.approx(expected)


def test_unnormalised_log_likelihoods_are_normalised_over_the_choices():
    scores = choice_scores([-310.0, -311.0], 0)
    assert scores["gold_prob"] == pytest.approx(1 / (1 + math.exp(-1)))
    assert scores["gold_logprob"] == -310.0


def test_choices_that_are_all_impossible_are_equally_likely():
    assert choice_scores([-math.inf, -math.inf], 1)["gold_prob"] == 0.5


def test_calibration_error_weighs_bins_by_size():
    sure_right = (logs(0.9, 0.1), 0)
    sure_wrong = (logs(0.9, 0.1), 1)
    unsure_right = (logs(0.55, 0.45), 0)
    found = expected_calibration_error([], parsed(sure_right, sure_right, sure_wrong, unsure_right))
    assert found == pytest.approx((3 * abs(2 / 3 - 0.9) + abs(1 - 0.55)) / 4)


def test_over_and_under_confidence_of_one_bin_cancel():
    assert expected_calibration_error(
        [], parsed((logs(0.75, 0.25), 0), *[(logs(0.75, 0.25), 0)] * 2, (logs(0.75, 0.25), 1))
    ) == pytest.approx(0.0)


@given(ANSWERS)
def test_scores_stay_in_their_range(answers):
    assert all(0 <= choice_scores(p, gold)["brier_score"] <= 2 for p, gold in answers)
    assert 0 <= expected_calibration_error([], parsed(*answers)) <= 1


def test_questions_without_one_right_choice_are_left_out():
    rows = parsed((logs(0.9, 0.1), 0), (logs(0.5, 0.5), None))
    assert expected_calibration_error([], rows) == expected_calibration_error([], rows[:1])
    with pytest.raises(ValueError, match="right choice"):
        expected_calibration_error([], rows[1:])


def test_directions_and_floors_of_the_choice_metrics():
    metrics = {metric.name: metric for metric in choice_metrics(0.25)}
    assert metrics["gold_prob"].floor == 0.25
    assert [name for name, metric in metrics.items() if not metric.higher_is_better] == [
        "brier_score",
        "overconfidence",
        "ece",
    ]


def test_overconfidence_is_mean_confidence_less_accuracy():
    rows = [(logs(0.9, 0.1), 0), (logs(0.8, 0.2), 1), (logs(0.3, 0.7), 0)]
    found = [choice_scores(logprobs, gold)["overconfidence"] for logprobs, gold in rows]
    assert found == pytest.approx([0.9 - 1, 0.8, 0.7])
