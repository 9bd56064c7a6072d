"""Is the file that ships still the candidate that was approved? Skipped where `--shipped` or `shipped:` names none.

Whatever ships is held against the candidate, on the same items: a merged or quantised model, a GGUF file, a converted adapter,
a model behind a server. `serving: merged:` names one too.
"""

import pytest

from harness.checks import release

pytestmark = pytest.mark.release


def test_files_are_whole(shipping, gate):
    gate(release.files_are_whole(shipping), severity="critical")


def test_tokens_are_the_candidates(shipping, gate):
    gate(release.tokens_are_the_candidates(shipping), severity="critical")


def test_conversations_are_put_alike(shipping, gate):
    gate(release.conversations_are_put_alike(shipping), severity="critical")


def test_answers_end_alike(shipping, gate):
    gate(release.answers_end_alike(shipping), severity="critical")


def test_acts_as_the_candidate(shipping, margins, gate):
    limits = {"most_share": margins.shipped_share, "most_flips": margins.shipped_flips, "most_kl": margins.shipped_kl}
    least = margins.shipped_strength
    gate(release.acts_as_the_candidate(shipping, **limits, least_strength=least), severity="critical")


def test_task(task_gate, compare_shipped, margins_of, gate):
    margin = margins_of(task_gate.task).baseline
    gate(task_gate.against(compare_shipped(task_gate.task), margin, remedy=release.ANSWERS))


def test_answers_do_not_flip(task_name, compare_shipped, margins_of, gate):
    gate(release.flipped(compare_shipped(task_name), margins_of(task_name).shipped_answers))


def test_answers_end_as_often(task_name, compare_shipped, overfitting_rules_of, gate):
    margin = overfitting_rules_of(task_name).stops_with_eos
    gate(compare_shipped(task_name).metric("stops_with_eos").non_inferior(margin, remedy=release.ANSWERS))


def test_answers_are_as_long(task_name, compare_shipped, margins_of, gate):
    gate(release.length_over_candidate(compare_shipped(task_name), margins_of(task_name).shipped_length))


def test_knowledge_is_kept(forgetting, compare_shipped, margins_of, gate):
    task = forgetting.knowledge
    gate(compare_shipped(task).metric("acc").non_inferior(margins_of(task).knowledge_acc, remedy=release.ANSWERS))


def test_right_answers_stay_likely(forgetting, compare_shipped, margins_of, gate):
    margin = margins_of(forgetting.knowledge).knowledge_logprob
    gate(compare_shipped(forgetting.knowledge).metric("gold_logprob").non_inferior(margin, remedy=release.ANSWERS))


def test_word_problems_are_still_solved(forgetting, compare_shipped, margins_of, gate):
    margin = margins_of(forgetting.math).math_exact_match
    gate(compare_shipped(forgetting.math).metric("exact_match").non_inferior(margin, remedy=release.ANSWERS))


def test_plain_text_stays_predictable(forgetting, compare_shipped, shipped, margins_of, gate):
    if shipped.is_served:
        pytest.skip(f"{shipped.location} gives no distributions over whole texts, which this task asks for")
    margin = margins_of(forgetting.text).text_bits_per_byte
    gate(compare_shipped(forgetting.text).metric("bits_per_byte").non_inferior(margin, remedy=release.ANSWERS))
