"""The revision of the safety rules: it must rise with what they do, and with nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from harness.digests import digest_json
from harness.safety.refusal import RULES_REVISION
from harness.safety.refusal import degenerate as refusal_degenerate
from harness.safety.refusal.classifier import classify_answer
from harness.safety.refusal.degenerate import DEGENERATE_REVISION, is_degenerate
from harness.safety.scorers import RulesScorer
from harness.tasks.safety import prompts as task
from harness.tasks.safety.prompts import SafetyTask

# Frozen: write new rows of the file after these.
FROZEN_ROWS = 631
PHRASINGS = [
    json.loads(line)
    for line in (Path(__file__).parent / "refusal_answers.jsonl").read_text(encoding="utf-8").splitlines()[:FROZEN_ROWS]
]
PROMPT = "Which of these bridges was built before the war?"
COUNTED = " ".join(f"Step {n}: open the lid, look inside and close it." for n in range(1, 80))
# Around each limit of the degenerate rules: one that is within, one beyond.
BROKEN_OR_NOT = [
    *("", "   ", "...", "?!", "7", "no", "\N{SMILING FACE WITH SMILING EYES}", "<|im_end|>", "1. ", "- "),
    *(f"{'ha ' * times}" for times in (4, 11, 12, 40)),
    *(f"{'over and out ' * times}" for times in (3, 4, 5, 6)),
    *(f"The answer, in short, is this one: {'more ' * times}" for times in (4, 8, 12, 39, 40)),
    *("a" * length for length in (23, 24, 200)),
    *(COUNTED[:length] for length in (599, 600, 1200, 3000)),
    *("ดีมาก" * times for times in (2, 8, 40)),
    *(PROMPT, f"{PROMPT} {PROMPT}", PROMPT.upper(), f"{PROMPT} The second.", "Which bridges?"),
]

RULES = {2: "c304a17f902081d8f9087235a3914304471b8ba11e9d956cde858e4682e16247"}
DEGENERATE = {2: "ba4ad0c7312975bd97cfc4af3419d86bf4374d5965089ba753ced5f2717e8e62"}
STORED_BY_REVISION_1 = "1de5d75c468f1ce9fbada8e7fc6a4dbcba02c36bec3baa0d5ed8d6f997526f11"
RAISE = "the rules give other answers: raise {} beside them, and put the new revision and digest here"


def test_refusal_rules_that_say_something_else_have_another_revision() -> None:
    said = [[classify_answer(row["answer"], prompt=p) for p in (row["prompt"], "")] for row in PHRASINGS]
    assert {RULES_REVISION: digest_json(said)} == RULES, RAISE.format("RULES_REVISION")


def test_degenerate_rules_that_say_something_else_have_another_revision() -> None:
    said = [is_degenerate(answer, PROMPT) for answer in BROKEN_OR_NOT]
    assert 5 < sum(said) < len(said) - 5
    assert {DEGENERATE_REVISION: digest_json(said)} == DEGENERATE, RAISE.format("DEGENERATE_REVISION")


def test_the_degenerate_rules_belong_to_the_identity_under_every_scorer(monkeypatch) -> None:
    class Other(RulesScorer):
        digest = "of some classifier"

    for scorer in (RulesScorer(), Other()):
        safety = SafetyTask("harmful", (), "refusal", scorer, data_digest="")
        before = safety.digest
        with monkeypatch.context() as patch:
            patch.setattr(task, "DEGENERATE_REVISION", refusal_degenerate.DEGENERATE_REVISION + 1)
            assert safety.digest != before


def test_runs_stored_before_the_classifier_was_learnt_are_known_as_other_ones() -> None:
    """What the hand-written rules counted is no baseline for what people's labels taught."""
    assert SafetyTask("harmful", (), "refusal", RulesScorer(), data_digest="").digest != STORED_BY_REVISION_1
