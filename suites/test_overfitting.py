"""Did training go past what generalises? By its log, by rows trained on against rows held out, and by how answers changed.

Everything measured is held against the base on the same rows: what is predictable anyway was not memorised. Sizes and limits
are those of `overfitting:` in assay.yaml; the first two limits stand in `margins:`.
"""

import pytest

from harness.checks import overfitting

pytestmark = pytest.mark.overfitting

FEW_LENGTHS = "too few held-out pairs whose better answer is the shorter one, or too few others"
TOO_SHORT = "the answers are too short to tell remembering from being right"
FEW_OF_THEIR_OWN = (
    "too few rows are measured whose answers have words of their own to find a small share that is known by heart; a larger "
    "profile measures more"
)
PLANTED = "remove the planted rows and whatever else is secret from the training data, and train anew for fewer epochs"
LOOPS = "lower the learning rate, train fewer steps, and take rows that repeat themselves out of the training data"


def test_validation_loss_stays_near_training_loss(training_points, margins, gate):
    gate(overfitting.validation_gap(*training_points).at_most(margins.loss_gap))


def test_validation_loss_has_not_risen_past_its_minimum(training_points, margins, gate):
    gate(overfitting.validation_rise(*training_points).at_most(margins.eval_loss_rise))


def test_preferences_hold_on_validation_rows(preference_history, overfitting_rules, gate):
    gate(
        overfitting.held_out_accuracy(preference_history, overfitting_rules.preference_accuracy),
        otherwise=_not_evaluated(preference_history, "pairs"),
    )


def test_preferences_are_as_right_in_validation_as_in_training(preference_history, overfitting_rules, gate):
    gate(
        overfitting.accuracy_gap(preference_history, overfitting_rules.preference_gap),
        otherwise=_not_evaluated(preference_history, "pairs"),
    )


def test_wanted_validation_answers_gain(preference_history, overfitting_rules, gate):
    margin = overfitting.held_out_margin(preference_history)
    gate(
        margin and margin.at_least(overfitting_rules.held_out_margin),
        otherwise=_not_evaluated(preference_history, "answers that are wanted or not"),
    )


def test_validation_prompts_earn_more_too(preference_history, overfitting_rules, gate):
    share = overfitting.held_out_reward(preference_history)
    gate(
        share and share.at_least(overfitting_rules.held_out_reward),
        otherwise=f"{_not_evaluated(preference_history, 'prompts')}, or no rise of the reward between two evaluations",
    )


def test_held_out_pairs_are_told_apart(pair_preferences, overfitting_rules, gate):
    gate(overfitting.implicit_accuracy(pair_preferences.held_out, overfitting_rules.preference_accuracy))


def test_held_out_pairs_are_told_apart_as_training_pairs_are(pair_preferences, overfitting_rules, gate):
    pairs = pair_preferences
    gate(overfitting.implicit_accuracy_gap(pairs.trained, pairs.held_out, overfitting_rules.preference_gap))


def test_reward_model_tells_held_out_pairs_apart(reward_margins, overfitting_rules, gate):
    gate(overfitting.reward_accuracy(reward_margins, overfitting_rules.preference_accuracy))


def test_reward_model_does_not_follow_length(reward_margins, overfitting_rules, gate):
    gate(overfitting.length_bias(reward_margins, overfitting_rules.length_bias), otherwise=FEW_LENGTHS)


def test_held_out_rows_are_as_likely_as_training_rows(recall, overfitting_rules, gate):
    gate(overfitting.loss_gap_over_base(recall.trained, recall.held_out, overfitting_rules.loss_gap_over_base))


def test_held_out_rows_have_the_loss_that_training_logged(
    recall, training_data, training_history, overfitting_rules, gate
):
    if training_history.summary is None:
        pytest.skip(f"{training_history.source} does not say whether prompts were learnt too")
    difference = overfitting.loss_as_logged(recall.held_out, training_data, training_history)
    gate(
        difference and difference.at_most(overfitting_rules.loss_as_logged),
        otherwise=f"{training_history.source} has no validation loss of the kept weights that is of whole single answers",
    )


def test_training_answers_are_not_recited(recall, overfitting_rules, gate):
    gate(
        overfitting.verbatim_recall(recall.trained, recall.held_out, overfitting_rules.verbatim_recall),
        otherwise=TOO_SHORT,
    )


def test_no_training_rows_are_known_by_heart(recall, training_data, overfitting_rules, gate):
    share = overfitting.known_by_heart(recall.trained, recall.held_out, training_data, overfitting_rules.known_by_heart)
    if share is None:
        pytest.skip(FEW_OF_THEIR_OWN)
    gate(share)


def test_training_answers_cannot_be_extracted(recall, overfitting_rules, gate):
    gate(overfitting.extractable(recall.trained, recall.held_out, overfitting_rules.extractable), otherwise=TOO_SHORT)


def test_canaries_are_not_exposed(canaries, overfitting_rules, gate):
    gate(canaries.metric("exposure").non_inferior(overfitting_rules.canary_exposure, remedy=PLANTED))


def test_answers_do_not_go_round(answers, overfitting_rules_of, gate):
    limit = overfitting_rules_of(answers.task.name).repetition
    gate(overfitting.repetition(answers).non_inferior(limit, remedy=LOOPS))


def test_answers_still_end(answers, overfitting_rules_of, gate):
    limit = overfitting_rules_of(answers.task.name).stops_with_eos
    gate(overfitting.answers_still_end(answers, limit))


def test_answers_are_not_longer_than_the_base_s(answers, overfitting_rules_of, gate):
    gate(overfitting.length_over_base(answers, overfitting_rules_of(answers.task.name).length_over_base))


def test_answers_are_not_longer_than_those_taught(row_answers, training_data, overfitting_rules, gate):
    if training_data.only_prefers:
        pytest.skip(
            "its rows say which answers are better, and teach none to the letter: length is held against the base's"
        )
    gate(overfitting.length_over_targets(row_answers, overfitting_rules.length_over_targets))


def test_answers_keep_their_variety_of_words(row_answers, overfitting_rules, gate):
    gate(overfitting.distinct_2(row_answers).at_least(overfitting_rules.distinct_2))


def test_answers_do_not_resemble_each_other(row_answers, overfitting_rules, gate):
    gate(overfitting.self_bleu_rise(row_answers).at_most(overfitting_rules.self_bleu))


def test_answers_are_not_monotonous(row_answers, overfitting_rules, gate):
    gate(overfitting.compression(row_answers).at_most(overfitting_rules.compression_ratio))


def _not_evaluated(history, what):
    return f"{history.source} of {history.method.name} has no evaluation of {what}"
