"""Early stopping where more than one data set is evaluated."""

from __future__ import annotations

from typing import Any

from transformers import EarlyStoppingCallback


class EarlyStopping(EarlyStoppingCallback):  # type: ignore[misc]
    """transformers' own, which takes every evaluation for the one it waits for and warns where it was another."""

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **kwargs: Any) -> None:
        if args.metric_for_best_model in metrics:
            super().on_evaluate(args, state, control, metrics, **kwargs)
