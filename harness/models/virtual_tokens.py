"""A base with an adapter's virtual tokens: trained vectors that it reads before every text, at positions of their own."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import AdapterError, first_line
from harness.models.forwards import is_out_of_memory

if TYPE_CHECKING:
    import torch

_A_COLUMN_A_TOKEN = ("attention_mask", "position_ids")
_CACHES = ("past_key_values", "cache_params")


class PromptedModel:
    """Called as the base is; positions, masks and logits are those of the text alone, whatever the method.

    Keys and values of the virtual tokens are computed once, by PEFT or by the base, and every text continues them. A cache
    that is handed out holds them, and is taken back without them being read anew. Without a cache, methods that train
    embeddings put these before the text's, as PEFT's own forward does.

    Args:
        adapted: PEFT's model around the base, in eval mode; all that is not here is asked of it.
    """

    def __init__(self, adapted: Any) -> None:
        self._adapted = adapted
        self._base = adapted.get_base_model()
        self._count: int = adapted.active_peft_config.num_virtual_tokens
        self._on = True
        self._read_elsewhere = False
        self._embeddings, self._cache = _prompt(adapted)

    def __getattr__(self, name: str) -> Any:
        if name == "_adapted":  # not yet there, as in a copy being made
            raise AttributeError(name)
        return getattr(self._adapted, name)

    def __call__(self, **arguments: Any) -> Any:
        if not self._on:
            return self._base(**arguments)
        shifted = self._shifted(arguments)
        if self._read_elsewhere or any(arguments.get(name) is not None for name in _CACHES):
            return self._base(**shifted)
        if self._embeddings is not None and not arguments.get("use_cache", True):
            return self._prepended(self._embeddings, shifted)
        return self._base(**shifted, **self._cache_of(len(arguments["input_ids"])))

    @contextlib.contextmanager
    def disable_adapter(self) -> Iterator[None]:
        """The base meanwhile, as PEFT's models have it."""
        before, self._on = self._on, False
        try:
            yield
        finally:
            self._on = before

    @contextlib.contextmanager
    def hand_out(self) -> Iterator[Sequence[tuple[torch.Tensor, torch.Tensor]]]:
        """Keys and values of the virtual tokens, a pair a layer, for attention that reads them by itself meanwhile.

        Each is of shape (1, key-value heads, virtual tokens, head size); none where the adapter is off.

        Raises:
            RuntimeError: the base keeps something else than keys and values.
        """
        if not self._on:
            yield ()
            return
        layers = [
            (getattr(layer, "keys", None), getattr(layer, "values", None))
            for layer in getattr(self._cache, "layers", ())
        ]
        if not layers or any(keys is None or values is None for keys, values in layers):
            raise RuntimeError("it keeps no keys and values of virtual tokens")
        self._read_elsewhere = True
        try:
            yield layers  # type: ignore[misc] # none is None
        finally:
            self._read_elsewhere = False

    def _shifted(self, arguments: dict[str, Any]) -> dict[str, Any]:
        import torch

        shifted = dict(arguments)
        if (positions := arguments.get("position_ids")) is not None:
            shifted["position_ids"] = positions + self._count
        if (mask := arguments.get("attention_mask")) is not None:
            shifted["attention_mask"] = torch.cat([mask.new_ones(len(mask), self._count), mask], dim=1)
        return shifted

    def _prepended(self, embeddings: torch.Tensor, shifted: dict[str, Any]) -> Any:
        import torch

        text = self._adapted.word_embeddings(shifted.pop("input_ids"))
        before = embeddings.to(text.dtype).expand(len(text), -1, -1)
        if (positions := shifted.get("position_ids")) is not None:
            first = torch.arange(self._count, device=positions.device).expand(len(text), -1)
            shifted["position_ids"] = torch.cat([first, positions], dim=1)
        embeds = torch.cat([before, text], dim=1)
        if (mask := shifted.get("attention_mask")) is not None and not mask.all():
            # padding goes before the virtual tokens: behind them it would lie in attention windows and recurrent states
            order = _padding_first(mask, self._count)
            shifted |= {name: shifted[name].gather(1, order) for name in _A_COLUMN_A_TOKEN if name in shifted}
            embeds = embeds.gather(1, order[:, :, None].expand_as(embeds))
        output = self._base(inputs_embeds=embeds, **shifted)
        if "logits_to_keep" not in shifted:
            output.logits = output.logits[:, self._count :]
        return output

    def _cache_of(self, rows: int) -> dict[str, Any]:
        """A cache that holds the virtual tokens for so many rows, by the name that the base gives it."""
        import torch

        if self._cache is None:
            raise RuntimeError("it hands out no cache")
        cache = copy.deepcopy(self._cache)
        cache.reorder_cache(torch.zeros(rows, dtype=torch.long, device=self._base.device))
        return {_CACHES[0]: cache}


def _padding_first(mask: torch.Tensor, count: int) -> torch.Tensor:
    """Which column goes where, row by row, so that virtual tokens stand behind the row's padding.

    Args:
        mask: shape (rows, columns): `count` virtual tokens, padding, text.
    """
    import torch

    columns = torch.arange(mask.shape[1], device=mask.device)[None]
    padding = (mask == 0).sum(dim=1, keepdim=True)
    return torch.where(
        columns < padding, columns + count, torch.where(columns < padding + count, columns - padding, columns)
    )


def take_sizes(config: Any, base: Any) -> None:
    """Let PEFT's configuration of virtual tokens have the sizes that this base needs, whatever base it was written for.

    PEFT takes those that are configured, or guesses them by the base's configuration. Where layers keep keys and values of
    several sizes, its guess stays.

    Args:
        base: on any device; its weights are not looked at.
    """
    if config.peft_type not in ("PREFIX_TUNING", "CARTRIDGE"):
        config.token_dim = int(base.get_input_embeddings().weight.shape[1])
        return
    shapes = _kept_shapes(base)
    if len(set(shapes)) == 1:
        heads, size = shapes[0]
        config.num_layers, config.num_attention_heads, config.token_dim = len(shapes), heads, heads * size


def _kept_shapes(base: Any) -> list[tuple[int, int]]:
    """(key-value heads, head size) of the keys and of the values that a base's layers keep; empty where they keep others."""
    import torch

    try:
        with torch.no_grad():
            cache = base(
                input_ids=torch.zeros(1, 1, dtype=torch.long, device=base.device), use_cache=True
            ).past_key_values
        pairs = [(layer.keys.shape, layer.values.shape) for layer in cache.layers]
    except (RuntimeError, ValueError, TypeError, AttributeError, KeyError, IndexError):
        return []
    same = all(keys == values for keys, values in pairs)
    return [(keys[1], keys[3]) for keys, _ in pairs] if same else []


def with_virtual_tokens(adapted: Any) -> Any:
    """PEFT's model, as the engine and the checks call models: itself, where its method puts nothing before the text.

    Raises:
        AdapterError: the base cannot compute with its virtual tokens.
    """
    return PromptedModel(adapted) if adapted.active_peft_config.is_prompt_learning else adapted


def _prompt(adapted: Any) -> tuple[torch.Tensor | None, Any]:
    """(embeddings of the virtual tokens, None where keys and values are trained; a cache of them for one row, or None)."""
    import torch

    kind, base = adapted.active_peft_config.peft_type.value, adapted.get_base_model()
    try:
        with torch.no_grad():
            trained = adapted.get_prompt(1, task_ids=torch.zeros(1, dtype=torch.long, device=base.device))
            if not isinstance(trained, torch.Tensor):
                trained.get_seq_length()  # a cache as transformers has them
                return None, trained
            embeddings = trained.to(base.dtype)
            cache = getattr(base(inputs_embeds=embeddings, use_cache=True), _CACHES[0], None)
            return embeddings, cache if hasattr(cache, "reorder_cache") else None
    except (RuntimeError, ValueError, TypeError, AttributeError, KeyError, IndexError) as exc:
        if is_out_of_memory(exc):
            raise
        raise AdapterError(
            f"a base of type {base.config.model_type!r} cannot compute with virtual tokens of {kind}: {first_line(exc)}",
            "pass the base it was trained for with --model, or train it as LoRA",
        ) from exc
