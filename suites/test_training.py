"""Did the training go well? Read from the log stored with the adapter, or from the `trainer_state.json` of another Trainer.

Limits are those of `training:` in assay.yaml. What practice only advises stands in the details of the report, as hints.
"""

import pytest

from harness.checks import training

pytestmark = pytest.mark.training


def test_losses_and_gradients_are_finite(training_history, gate):
    if not training_history.points and not training_history.logged:
        pytest.skip(f"{training_history.source} has no losses and no gradient norms")
    gate(training.log_is_finite(training_history))


def test_losses_are_no_zeros(training_history, gate):
    losses = training.losses_are_not_zero(training_history)
    if losses is None:
        pytest.skip(_missing(training_history, "losses that are cross-entropies"))
    gate(losses)


def test_loss_has_its_scale(training_history, base, training_rules, gate):
    scale = training.loss_has_its_scale(training_history, base.directory, training_rules.loss_scale)
    if scale is None:
        pytest.skip(_missing(training_history, "losses that are cross-entropies"))
    gate(scale)


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
    if norm is None:
        pytest.skip(f"{training_history.source} has no gradient norms")
    gate(norm.at_most(training_rules.largest_gradient))


def test_gradients_reach_the_adapter(training_history, training_rules, gate):
    norm = training.median_gradient(training_history)
    if norm is None:
        pytest.skip(f"{training_history.source} has no gradient norms")
    gate(norm.at_least(training_rules.median_gradient))


def test_learning_rate_keeps_to_its_plan(training_history, training_rules, gate):
    deviation = training.learning_rate_keeps_to_plan(training_history)
    if deviation is None:
        pytest.skip("no recipe says how the learning rate was to run, or its schedule follows the loss")
    gate(deviation.at_most(training_rules.learning_rate_deviation))


def test_adapter_is_small(adapter_directory, base, training_rules, gate):
    share = training.trainable_share(adapter_directory, base.directory)
    if share is None:
        pytest.skip(f"{base.name} has no safetensors files to count parameters in")
    gate(share.at_most(training_rules.trainable_share))


def test_rows_were_not_cut(training_history, training_rules, gate):
    share = training.truncated_share(training_history)
    if share is None:
        pytest.skip(f"{training_history.source} does not count rows")
    gate(share.at_most(training_rules.truncated_share))


def test_answers_were_trained_on(training_history, training_rules, gate):
    share = training.masked_share(training_history)
    if share is None:
        pytest.skip(f"{training_history.source} does not count rows")
    gate(share.at_most(training_rules.masked_share))


def test_kept_weights_were_trained_long_enough(training_history, training_rules, gate):
    share = training.kept_share(training_history)
    if share is None:
        pytest.skip(f"{training_history.source} does not say how many steps were planned")
    gate(share.at_least(training_rules.kept_share))


# What a training on rewards or preferences is for, by the quantities that its Trainer logs beside the loss.


def test_reward_or_margin_rises(preference_history, training_rules, gate):
    rise = training.gain(preference_history)
    if rise is None:
        pytest.skip(_missing(preference_history, "rewards or margins"))
    gate(rise.at_least(training_rules.gain))


def test_its_rise_is_kept(preference_history, training_rules, gate):
    kept = training.kept_gain(preference_history)
    if kept is None:
        pytest.skip(_missing(preference_history, "rewards or margins"))
    gate(kept.at_least(training_rules.kept_gain))


def test_preferred_answers_are_ahead(preference_history, training_rules, gate):
    accuracy = training.preference_accuracy(preference_history)
    if accuracy is None:
        pytest.skip(_missing(preference_history, "accuracies of preferences"))
    gate(accuracy.at_least(training_rules.preference_accuracy))


def test_policy_stays_near_its_reference(preference_history, training_rules, gate):
    divergence = training.stays_near_the_reference(preference_history, training_rules)
    if divergence is None:
        pytest.skip(_missing(preference_history, "KL divergences"))
    gate(divergence)


def test_sampled_answers_keep_their_length(preference_history, training_rules, gate):
    change = training.completion_length_change(preference_history)
    if change is None:
        pytest.skip(_missing(preference_history, "lengths of sampled answers"))
    gate(change.at_most(training_rules.completion_length_change))


def test_sampled_answers_end(preference_history, training_rules, gate):
    share = training.cut_share(preference_history)
    if share is None:
        pytest.skip(_missing(preference_history, "shares of cut answers"))
    gate(share.at_most(training_rules.cut_completions))


def test_rewards_differ_within_prompts(preference_history, training_rules, gate):
    share = training.without_spread(preference_history)
    if share is None:
        pytest.skip(_missing(preference_history, "spreads of rewards"))
    gate(share.at_most(training_rules.no_reward_spread))


def test_updates_are_seldom_clipped(preference_history, training_rules, gate):
    share = training.clipped_updates(preference_history)
    if share is None:
        pytest.skip(_missing(preference_history, "shares of clipped updates"))
    gate(share.at_most(training_rules.clipped_updates))


def _missing(history, what):
    return f"{history.source} of {history.method.name} has too few {what}"
