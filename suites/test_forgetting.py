"""Does the candidate still know what the base knew? On the tasks that `forgetting:` in assay.yaml names, and `--tasks`.

MMLU and GSM8K, each five-shot, where `--data-dir` has them or the profile asks for them; else small sets of our own.
Accuracy is what people read; log-likelihoods are what moves first, and what still moves where a small base is at chance. The
same texts are put after an earlier turn, and behind a long one: what was trained on short single turns may break there alone.
"""

import pytest

pytestmark = pytest.mark.forgetting

TURNS = (
    "train on conversations of several turns too (or mix them in by `rehearsal:` of a recipe); check that packed rows do not see "
    "each other, and that the template joins turns as the base's does"
)
LENGTHS = (
    "train on rows as long as what will be asked (or mix them in by `rehearsal:` of a recipe); check packing, position ids and "
    "rope scaling of the training"
)
REHEARSE = "mix general rows into the training data (`rehearsal:` of a recipe), lower the learning rate, train less"


def test_knowledge_is_kept(forgetting, compare, margins_of, gate):
    task = forgetting.knowledge
    gate(compare(task).metric("acc").non_inferior(margins_of(task).knowledge_acc, remedy=REHEARSE))


def test_right_answers_stay_likely(forgetting, compare, margins_of, gate):
    task = forgetting.knowledge
    gate(compare(task).metric("gold_logprob").non_inferior(margins_of(task).knowledge_logprob, remedy=REHEARSE))


def test_confidence_does_not_outgrow_accuracy(forgetting, compare, margins_of, gate):
    task = forgetting.knowledge
    gate(compare(task).metric("overconfidence").non_inferior(margins_of(task).calibration, remedy=REHEARSE))


def test_probabilities_stay_accurate(forgetting, compare, margins_of, gate):
    task = forgetting.knowledge
    gate(compare(task).metric("brier_score").non_inferior(margins_of(task).calibration, remedy=REHEARSE))


def test_word_problems_are_still_solved(forgetting, compare, margins_of, gate):
    task = forgetting.math
    gate(compare(task).metric("exact_match").non_inferior(margins_of(task).math_exact_match, remedy=REHEARSE))


def test_worked_solutions_stay_likely(forgetting, compare, margins_of, gate):
    task = forgetting.math
    gate(compare(task).metric("gold_solution_logprob").non_inferior(margins_of(task).math_logprob, remedy=REHEARSE))


def test_plain_text_stays_predictable(forgetting, compare, margins_of, gate):
    task = forgetting.text
    gate(compare(task).metric("bits_per_byte").non_inferior(margins_of(task).text_bits_per_byte, remedy=REHEARSE))


def test_predictions_stay_near_the_base(forgetting, compare, margins_of, gate):
    task = forgetting.text
    gate(compare(task).metric("kl_per_token").at_most(margins_of(task).text_kl, remedy=REHEARSE))


def test_text_stays_predictable_in_a_conversation(forgetting, compare_further_on, margins_of, gate):
    further_on = compare_further_on(forgetting.text, "in_conversation", called="in_conversation")
    limit = margins_of(forgetting.text).further_bits_per_byte
    gate(further_on.metric("bits_per_byte").non_inferior(limit, remedy=TURNS))


def test_text_stays_predictable_far_into_the_context(forgetting, compare_further_on, margins_of, gate):
    further_on = compare_further_on(forgetting.text, "far_into_the_context", called="far_into_the_context")
    limit = margins_of(forgetting.text).further_bits_per_byte
    gate(further_on.metric("bits_per_byte").non_inferior(limit, remedy=LENGTHS))


def test_is_not_worse_at(further_task, compare, margins_of, gate):
    comparison, margin = compare(further_task), margins_of(further_task).benchmarks
    gate(comparison.metric(comparison.task.main_metric).non_inferior(margin, remedy=REHEARSE))
