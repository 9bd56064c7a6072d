"""What pytest is asked to run of the suites."""

from __future__ import annotations

_INTEGRITY = "suites/test_integrity.py"
_ENDS = f"{_INTEGRITY}::test_answers_end_by_themselves"
FILES = (_INTEGRITY, f"--deselect={_ENDS}")
"""What tells a broken adapter without generating text: seconds."""
ROUTED = (_INTEGRITY, f"--deselect={_ENDS}[forbidden]", f"--deselect={_ENDS}[look_alikes]", "suites/test_task.py")
TEXT = tuple(
    f"suites/test_forgetting.py::test_{name}"
    for name in (
        "plain_text_stays_predictable", "predictions_stay_near_the_base", "text_stays_predictable_in_a_conversation",
        "text_stays_predictable_far_into_the_context",
    )
)  # fmt: skip
SAFETY = ("suites/test_safety.py",)
TRAINING = ("suites/test_training.py", "suites/test_overfitting.py", "suites/test_data.py")
DATA = ("suites/test_data.py",)
TASKS = ("suites/test_task.py",)
RELEASE = "suites/test_release.py"
READ = tuple(
    f"{RELEASE}::test_{name}"
    for name in (
        "files_are_whole", "tokens_are_the_candidates", "conversations_are_put_alike", "answers_end_alike",
        "acts_as_the_candidate",
    )
)  # fmt: skip
"""What tells what ships by reading it beside the candidate, without its answers."""
ALL = (*ROUTED, *SAFETY, *TRAINING, *TEXT)
