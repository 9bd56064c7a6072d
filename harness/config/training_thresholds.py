"""The section `training:` of the configuration file. A field's docstring is its documentation."""

from __future__ import annotations

from harness.config.base import Limit, Section, Text


class TrainingThresholds(Section):
    """Limits of what a training log may show; and where it is."""

    log: Text | None = None
    """log of a training where none lies beside the adapter, as of a served one: a directory or file that a trainer left, such
    as the events of a fine-tuning job of OpenAI's API as JSON"""
    loss_drop: Limit = 0.10
    """smallest fall of the training loss, as a share of where it began"""
    plateau_share: Limit = 0.40
    """largest share of the training before the loss has done a quarter of its fall"""
    loss_rise: Limit = 0.10
    """largest rise of the training loss from its lowest, beyond noise, as a share of where it began"""
    spike_share: Limit = 0.02
    """largest share of logged losses that jump"""
    spike_height: Limit = 2.0
    """largest of such a jump, in multiples of where the loss began or what came before it, the higher"""
    loss_scale: Limit = 1.75
    """how many times the validation loss the training loss may be at every single evaluation"""
    largest_gradient: Limit = 100.0
    """largest gradient norm, before clipping"""
    median_gradient: Limit = 0.001
    """smallest median gradient norm"""
    learning_rate_deviation: Limit = 0.02
    """largest deviation from the recipe's schedule, as a share of its peak"""
    trainable_share: Limit = 0.25
    """largest share of parameters that are trained"""
    truncated_share: Limit = 0.02
    """largest share of rows that max_length cut"""
    masked_share: Limit = 0.0
    """largest share of rows of which no token was trained on"""
    kept_share: Limit = 0.10
    """smallest share of the planned steps that the kept weights have seen"""
    gain: Limit = 0.0
    """smallest rise of what a method maximises: of rewards (GRPO, RLOO, PPO), or of preferred answers' margins (DPO, KTO,
    ORPO, CPO, reward models)"""
    kept_gain: Limit = 0.5
    """smallest share of its best rise that the kept weights still have"""
    preference_accuracy: Limit = 0.5
    """smallest share of pairs whose preferred answer is ahead at the end; 0.5 is chance"""
    chosen_logps_fall: Limit = 2.0
    """how much less likely (nats a token) preferred answers may have become than by the reference"""
    kl_per_token: Limit = 2.0
    """largest KL divergence from the reference at the end, in nats a token (GRPO, RLOO)"""
    kl_per_answer: Limit = 200.0
    """largest of the same in nats an answer (PPO, KTO)"""
    completion_length_change: Limit = 5.0
    """how many times longer or shorter sampled answers may have become"""
    cut_completions: Limit = 0.5
    """largest share of sampled answers that the length limit cuts at the end"""
    no_reward_spread: Limit = 0.8
    """largest share of prompts, in the first half, whose sampled answers all had one reward"""
    clipped_updates: Limit = 0.5
    """largest share of tokens whose update is clipped at the end"""
    entropy_left: Limit = 0.05
    """smallest share of the first entropy of sampled answers that is left at the end"""
    reward_by_length: Limit = 0.8
    """largest share of the rise of the reward that longer answers alone explain"""
