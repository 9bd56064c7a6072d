"""Did the training go well? Read from the log stored with the adapter, or from the `trainer_state.json` of another Trainer.

Limits are those of `training:` in assay.yaml. What practice only advises stands in the details of the report, as hints.
"""

import pytest

from harness.checks import training

pytestmark = pytest.mark.training

PLANLESS = "no recipe says how the learning rate was to run, or its schedule follows the loss"
ENTROPIES = "entropies of sampled answers, or they were nearly certain before"
GRADIENTS = "gradient norms of steps that had something to learn"


def test_losses_and_gradients_are_finite(training_history, gate):
    if not training_history.points and not training_history.logged:
        pytest.skip(_no(training_history, "losses and no gradient norms"))
    gate(training.log_is_finite(training_history))


def test_losses_are_no_zeros(training_history, gate):
    gate(
        training.losses_are_not_zero(training_history),
        otherwise=_missing(training_history, "losses that are cross-entropies"),
    )


def test_loss_has_its_scale(training_history, base, training_rules, gate):
    directory = None if base.is_served else base.directory
    gate(
        training.loss_has_its_scale(training_history, directory, training_rules.loss_scale),
        otherwise=_missing(training_history, "losses that are cross-entropies"),
    )


def test_loss_falls(training_losses, training_rules, gate):
    gate(training.loss_falls(training_losses).at_least(training_rules.loss_drop))


def test_loss_falls_from_the_start(training_losses, training_rules, gate):
    gate(training.learns_from_the_start(training_losses).at_most(training_rules.plateau_share))


def test_loss_stays_low(training_losses, training_rules, gate):
    gate(training.loss_stays_low(training_losses).at_most(training_rules.loss_rise))


def test_loss_does_not_spike(training_losses, training_rules, gate):
    gate(training.loss_does_not_spike(training_losses).at_most(training_rules.spike_share))


def test_no_loss_jumps_high(training_losses, training_rules, gate):
    gate(training.no_jump_is_high(training_losses).at_most(training_rules.spike_height))


def test_gradients_do_not_explode(training_history, training_rules, gate):
    norm = training.largest_gradient(training_history)
    gate(norm and norm.at_most(training_rules.largest_gradient), otherwise=_no(training_history, "gradient norms"))


def test_gradients_reach_the_adapter(training_history, training_rules, gate):
    norm = training.median_gradient(training_history)
    gate(norm and norm.at_least(training_rules.median_gradient), otherwise=_no(training_history, GRADIENTS))


def test_learning_rate_keeps_to_its_plan(training_history, training_rules, gate):
    deviation = training.learning_rate_keeps_to_plan(training_history)
    gate(deviation and deviation.at_most(training_rules.learning_rate_deviation), otherwise=PLANLESS)


def test_adapter_is_small(adapter_directory, base, training_rules, gate):
    share = training.trainable_share(adapter_directory, base.directory)
    gate(
        share and share.at_most(training_rules.trainable_share),
        otherwise=f"{base.name} has no safetensors files to count",
    )


def test_rows_were_not_cut(training_history, training_rules, gate):
    share = training.truncated_share(training_history)
    gate(share and share.at_most(training_rules.truncated_share), otherwise=_no(training_history, "counts of rows"))


def test_answers_were_trained_on(training_history, training_rules, gate):
    share = training.masked_share(training_history)
    gate(share and share.at_most(training_rules.masked_share), otherwise=_no(training_history, "counts of rows"))


def test_kept_weights_were_trained_long_enough(training_history, training_rules, gate):
    share = training.kept_share(training_history)
    gate(
        share and share.at_least(training_rules.kept_share), otherwise=_no(training_history, "number of planned steps")
    )


def test_what_its_method_logs_is_sound(preference_history, training_rules, gate, subtests):
    for quantity, rule in training.method_gates(preference_history, training_rules).items():
        with subtests.test(quantity):
            gate(rule, otherwise=_missing(preference_history, f"values of the {quantity}"))


def test_preferred_answers_stay_likely(preference_history, training_rules, gate):
    fall = training.chosen_fall(preference_history)
    gate(
        fall and fall.at_most(training_rules.chosen_logps_fall),
        otherwise=_missing(preference_history, "log-probabilities of preferred answers"),
    )


def test_rewards_are_not_paid_for_length(preference_history, training_rules, gate):
    share = training.paid_for_length(preference_history)
    gate(
        share and share.at_most(training_rules.reward_by_length),
        otherwise=_missing(preference_history, "rewards and lengths of sampled answers"),
    )


def test_sampled_answers_keep_their_entropy(preference_history, training_rules, gate):
    left = training.entropy_left(preference_history)
    gate(left and left.at_least(training_rules.entropy_left), otherwise=_missing(preference_history, ENTROPIES))


def _missing(history, what):
    return f"{history.source} of {history.method.name} has too few {what}"


def _no(history, what):
    return f"{history.source} has no {what}"
