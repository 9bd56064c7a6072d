"""Is a merge no worse than each of those that it was made of? On the tasks of assay.yaml and those of forgetting.

Of which, the record beside what `assay merge` made says, a stack of adapters by itself, or `candidate: parents:` in assay.yaml.
A candidate that is no merge skips these.
"""

import pytest

pytestmark = pytest.mark.merge

WEIGH = "give this parent more weight, or combine otherwise: exactly (cat), or pruned (ties, dare_ties)"


def test_gain_is_kept(parent, task_gate, compare, margins_of, gate):
    margin = margins_of(task_gate.task).parents
    gate(task_gate.against(compare(task_gate.task, against=parent), margin, remedy=WEIGH))


def test_knowledge_is_kept(parent, forgetting, compare, margins_of, gate):
    task = forgetting.knowledge
    gate(compare(task, against=parent).metric("acc").non_inferior(margins_of(task).knowledge_acc, remedy=WEIGH))


def test_right_answers_stay_likely(parent, forgetting, compare, margins_of, gate):
    task, margin = forgetting.knowledge, margins_of(forgetting.knowledge).knowledge_logprob
    gate(compare(task, against=parent).metric("gold_logprob").non_inferior(margin, remedy=WEIGH))


def test_word_problems_are_still_solved(parent, forgetting, compare, margins_of, gate):
    task, margin = forgetting.math, margins_of(forgetting.math).math_exact_match
    gate(compare(task, against=parent).metric("exact_match").non_inferior(margin, remedy=WEIGH))


def test_worked_solutions_stay_likely(parent, forgetting, compare, margins_of, gate):
    task, margin = forgetting.math, margins_of(forgetting.math).math_logprob
    gate(compare(task, against=parent).metric("gold_solution_logprob").non_inferior(margin, remedy=WEIGH))


def test_plain_text_stays_predictable(parent, forgetting, compare, margins_of, gate):
    task, margin = forgetting.text, margins_of(forgetting.text).text_bits_per_byte
    gate(compare(task, against=parent).metric("bits_per_byte").non_inferior(margin, remedy=WEIGH))


def test_is_not_worse_at(parent, further_task, compare, margins_of, gate):
    comparison, margin = compare(further_task, against=parent), margins_of(further_task).benchmarks
    gate(comparison.metric(comparison.task.main_metric).non_inferior(margin, remedy=WEIGH))
