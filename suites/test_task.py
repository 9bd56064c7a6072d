"""Does the adapter do what it was trained for? One test for each gate of each task in assay.yaml."""

import pytest

pytestmark = pytest.mark.task


def test_task(task_gate, compare, gate):
    gate(task_gate.apply(compare(task_gate.task)))
