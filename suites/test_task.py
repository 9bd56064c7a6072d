"""Does the adapter do what it was trained for? One test for each gate of each task in assay.yaml, and what a mean hides of them:
slices left behind, an answer that recurs, another language, another form."""

import pytest

from harness.checks import task

pytestmark = pytest.mark.task

NOTHING_FOUND = "there is nothing in these answers to be found, or in all of too few of them nothing was"


def test_task(task_gate, compare, gate):
    gate(task_gate.apply(compare(task_gate.task)))


def test_no_slice_is_left_behind(task_name, compare, margins_of, gate):
    floor, loss = margins_of(task_name).slice_floor, margins_of(task_name).slice_loss
    gate(
        task.no_slice_is_left_behind(compare(task_name), floor, loss),
        otherwise="there are too few items to hold each kind of target to a floor, or all targets are of one kind",
    )


def test_no_answer_recurs(answers, margins_of, gate):
    gate(task.no_answer_recurs(answers, margins_of(answers.task.name).one_answer_recurs), otherwise=NOTHING_FOUND)


def test_answers_keep_their_language(answers, margins_of, gate):
    gate(
        task.answers_keep_their_language(answers, margins_of(answers.task.name).other_language), otherwise=NOTHING_FOUND
    )


def test_answers_keep_their_form(answers, margins_of, gate):
    gate(task.answers_keep_their_form(answers, margins_of(answers.task.name).other_json_form), otherwise=NOTHING_FOUND)
