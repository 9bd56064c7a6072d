"""The data that come with the project pass their own gates, at the limits of the shipped assay.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.checks import data
from harness.checks.data import Corpus, EvaluationItem
from harness.config import load_config
from harness.tasks.build import build_task
from harness.tasks.built_in import BUILT_IN
from harness.training import load_recipe

ROOT = Path(__file__).parents[3]
CONFIG = load_config(ROOT / "assay.yaml")
RULES = CONFIG.data


@pytest.fixture(scope="module")
def shipped() -> Corpus:
    return data.corpus_of_recipe(load_recipe(ROOT / "fixtures/recipes/tool-calls-qlora.yaml", root=ROOT))


@pytest.fixture(scope="module")
def tests() -> list[EvaluationItem]:
    return data.evaluation_items(build_task("tool_calls", CONFIG.tasks["tool_calls"], root=ROOT))


def test_the_shipped_rows_pass(shipped: Corpus, tests: list[EvaluationItem]) -> None:
    checks = [
        data.rows_can_be_read(shipped),
        data.conversations_are_in_order(shipped),
        data.answers_are_whole(shipped, RULES.broken_answers),
        data.rows_are_not_repeated(shipped, RULES.exact_duplicates),
        data.rows_differ(shipped, RULES.near_duplicates, similarity=RULES.similarity),
        data.held_out_rows_are_new(shipped, tests, RULES.leakage),
        data.held_out_rows_differ(shipped, tests, RULES.near_leakage, similarity=RULES.similarity),
        data.no_personal_data(shipped, RULES.personal_data),
        data.no_secrets(shipped, RULES.secrets),
        data.json_answers_parse(shipped, RULES.invalid_json),
    ]
    verdicts = [check.decide() for check in checks if check is not None]
    assert len(verdicts) == len(checks)
    assert [verdict.reason for verdict in verdicts if verdict.outcome != "pass"] == []


@pytest.mark.parametrize("recipe", ["dpo", "kto", "reward", "orpo", "grpo"])
def test_the_shipped_preferences_pass(recipe: str) -> None:
    """Concise answers are preferred there to rambling ones, and right calls to wrong ones."""
    [loaded] = load_recipe(ROOT / f"fixtures/recipes/{recipe}.yaml", root=ROOT).parts
    assert loaded.data.validation is not None
    held_out = loaded.data.validation.model_copy(
        update={"limit": None}
    )  # all that ships, and not those alone that it draws
    data_of_all = loaded.data.model_copy(update={"validation": held_out})
    shipped = data.corpus_of_recipe(loaded.model_copy(update={"data": data_of_all}))
    learnt = data.learn_preferences(shipped)
    checks = [
        data.rows_can_be_read(shipped),
        data.conversations_are_in_order(shipped),
        data.columns_are_used(shipped),
        data.text_is_unrendered(shipped, None, RULES.chat_markers),
        data.answers_are_whole(shipped, RULES.broken_answers),
        data.rows_are_not_repeated(shipped, RULES.exact_duplicates),
        data.rows_differ(shipped, RULES.near_duplicates, similarity=RULES.similarity),
        data.held_out_rows_are_new(shipped, [], RULES.leakage),
        data.held_out_rows_differ(shipped, [], RULES.near_leakage, similarity=RULES.similarity),
        data.no_personal_data(shipped, RULES.personal_data),
        data.no_secrets(shipped, RULES.secrets),
        data.json_answers_parse(shipped, RULES.invalid_json),
        data.pairs_differ(shipped, RULES.identical_pairs),
        data.preferences_agree(shipped, RULES.contradictions),
        data.length_bias(shipped, RULES.longer_preferred),
        data.preferences_are_not_swapped(learnt, RULES.swapped_pairs) if learnt is not None else None,
        data.held_out_pairs_agree(shipped),
    ]
    assert learnt is None or learnt.obstacle == ""
    verdicts = [check.decide() for check in checks if check is not None]
    assert len(verdicts) == (10 if recipe == "grpo" else 17)
    assert [verdict.reason for verdict in verdicts if verdict.outcome != "pass"] == []


def test_the_shipped_rows_contaminate_no_task_beyond_the_limit(shipped: Corpus, tests: list[EvaluationItem]) -> None:
    packaged = [data.evaluation_items(build_task(name, spec, root=ROOT)) for name, spec in BUILT_IN.items()]
    items = [*tests, *(item for each in packaged for item in each)]
    check = data.evaluation_sets_are_not_trained_on(shipped, items, RULES.contamination, ngram=RULES.ngram)
    assert check.holds, check.reason
