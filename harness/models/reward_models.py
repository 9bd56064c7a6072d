"""Reward models: adapters with a head that gives a text one score. They write nothing, so suites have nothing to ask them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError, first_line
from harness.models.adapters.files import WEIGHTS, read_adapter_config
from harness.models.adapters.weights import read_tensor_headers
from harness.models.quiet import quiet_loading

if TYPE_CHECKING:
    from harness.models.loading import LoadOptions

TASK_TYPE = "SEQ_CLS"
_HEADS = ("score", "classifier")


def is_reward_model(adapter: Path) -> bool:
    """Whether an adapter was trained to score texts.

    Raises:
        AdapterError: its configuration cannot be read.
    """
    return read_adapter_config(adapter).get("task_type") == TASK_TYPE


class RewardModel:
    """A reward model in memory.

    Raises:
        AdapterError: it came without its head, whose scores would be chance, or does not fit the base.
        ModelError: the base cannot be loaded.
    """

    def __init__(self, base: Path, adapter: Path, options: LoadOptions) -> None:
        from peft import PeftModel

        from harness.models.loading import load_base, load_tokenizer

        if not any(_is_head(name) for name in read_tensor_headers(adapter / WEIGHTS)):
            raise AdapterError(
                f"{adapter} has no head ({' or '.join(_HEADS)}): its scores would be those of a random one",
                "save it with modules_to_save=['score'], as PEFT does for task_type SEQ_CLS",
            )
        self.tokenizer = load_tokenizer(base, options)
        model: Any = load_base(base, options, scores=True)
        # by it the last token that is scored is found, as it was in training
        model.config.get_text_config().pad_token_id = self.tokenizer.pad_token_id
        try:
            with quiet_loading():
                self._model = PeftModel.from_pretrained(model, adapter, is_trainable=False).eval()
        except (ValueError, TypeError, RuntimeError) as exc:
            raise AdapterError(f"{adapter} does not fit the base: {first_line(exc)}", "pass the base it is of") from exc

    def scores(self, texts: Sequence[Sequence[int]]) -> list[float]:
        """Of texts in tokens, computed together."""
        import torch

        device = next(self._model.parameters()).device
        batch = self.tokenizer.pad(
            {"input_ids": [list(ids) for ids in texts]}, padding_side="right", return_tensors="pt"
        )
        with torch.inference_mode():
            return [float(score) for score in self._model(**batch.to(device)).logits[:, 0].float()]


def _is_head(name: str) -> bool:
    return any(part in _HEADS for part in name.split("."))
