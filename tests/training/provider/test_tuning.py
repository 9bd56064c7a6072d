"""From a recipe to a served model: once, whatever breaks on the way, and with a log that gates can read."""

from __future__ import annotations

import pytest
from provider_recipes import Serve, Train
from provider_server import MODEL, Provider

from harness.training.history import read_history


def test_a_recipe_becomes_a_served_model_with_its_log(serve: Serve, train: Train) -> None:
    provider = Provider()
    tuned = train(serve(provider))
    assert tuned.served.name == f"ft:{MODEL}-2025-04-14:my-org::ftjob-1"
    assert (tuned.steps, tuned.trained_tokens, tuned.from_cache) == (12, 4321, False)
    assert [one.step for one in tuned.checkpoints] == [4, 8]
    history = read_history(tuned.path, None, method="sft")
    assert history is not None and history.method.loss_is_cross_entropy
    assert (history.steps, history.planned_steps, len(history.points)) == (12, 12, 12)
    first, last = history.points[0], history.points[-1]
    assert first.loss == pytest.approx(2.3333) and last.loss == pytest.approx(0.5)
    assert last.eval_loss == pytest.approx(0.6)
    assert history.logged["mean_token_accuracy"][-1] == (12, pytest.approx(0.9))
    assert history.evaluated["mean_token_accuracy"][-1] == (12, pytest.approx(0.8))
