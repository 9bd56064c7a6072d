"""Settings of PEFT that make the model with its adapter off another than the base: recipes and loading refuse them."""

from __future__ import annotations

import re

# Values of LoraConfig.init_lora_weights, by their letters and digits in lower case: PEFT takes some in any case, and of
# PiSSA's names the beginning ("pissa_niter_16"). A value that stands in neither list may change anything.
_LEAVE_THE_BASE = ("gaussian", "eva", "orthogonal", "mica")
_CHANGE_THE_BASE = ("pissa", "corda", "olora", "loraga", "loftq")
_CHANGED = "it changes the base weights, so base and candidate could no longer share one base"


def change_of_base(key: str, value: object) -> str | None:
    """How a setting of a PEFT configuration changes the base, in words that follow a colon; None where it does not."""
    if key == "init_lora_weights":
        return _change_by_initialisation(value)
    if key == "bias" and value not in ("none", None):
        return "trained biases stay in the base when the adapter is switched off"
    if key == "layer_replication" and value:
        return "the base keeps the repeated layers when the adapter is switched off"
    return _CHANGED if key == "kasa_config" and value else None


def _change_by_initialisation(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    name = re.sub(r"[^a-z0-9]", "", str(value).lower())
    if name in _LEAVE_THE_BASE:
        return None
    known = name.startswith(_CHANGE_THE_BASE)
    return _CHANGED if known else "it is not known whether it changes the base weights"
