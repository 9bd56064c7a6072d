"""What sets a method of PEFT's apart for whoever computes, merges or serves with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from peft import PeftConfig


@dataclass(frozen=True)
class Method:
    """How an adapter acts, apart from changing what modules compute token by token.

    Attributes:
        peft_type: its name, as PEFT spells it.
        virtual_tokens: how many trained vectors it puts before every text.
        by_whole_text: why what it adds to a token cannot be told from that token and a cache of those before; None where
            it can.
        unmergeable: why no weights of the base can hold it; None where PEFT may try.
        invocation: tokens without which it does nothing; empty where it always acts.
    """

    peft_type: str
    virtual_tokens: int = 0
    by_whole_text: str | None = None
    unmergeable: str | None = None
    invocation: tuple[int, ...] = ()


# They compute with the values of the base's weights. On packed ones PEFT 0.21 takes the integers for those: HRA and Peanut act
# as something else then, without a word; the others fail at their first forward or before.
ON_DENSE_WEIGHTS = frozenset({
    "ADAMSS", "DELORA", "FROD", "GLORA", "HRA", "OSF", "PEANUT", "PSOFT", "SUPERTUNING", "TINYLORA",
})  # fmt: skip
_BESIDE_THE_BASE = {"SHADOW": "a small model beside the base reads the text by itself"}


def method_of(config: PeftConfig) -> Method:
    """The method of a configuration that PEFT has read."""
    kind = str(config.peft_type.value) if config.peft_type is not None else "none"
    if config.is_prompt_learning:
        why = f"{kind} puts trained vectors before the text, which no weight of the base can hold"
        return Method(kind, virtual_tokens=config.num_virtual_tokens, unmergeable=why)
    invocation = tuple(getattr(config, "alora_invocation_tokens", None) or ())
    by_text = "it acts on what follows its invocation tokens alone" if invocation else _BESIDE_THE_BASE.get(kind)
    unmergeable = f"{by_text}, which no weight of the base can tell" if by_text else None
    return Method(kind, by_whole_text=by_text, unmergeable=unmergeable, invocation=invocation)
