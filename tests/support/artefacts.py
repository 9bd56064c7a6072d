"""What can be a candidate, and what each suite makes of it: the table that tests prove and the docs print.

An artefact is a row. Whoever adds one writes the test that proves its cells, and `python tests/support/artefacts.py` prints
the table for docs/reference/artefacts.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COLUMNS = ("integrity", "tasks, forgetting, safety", "merged")
MEASURED = "measured"


@dataclass(frozen=True)
class Artefact:
    """One row.

    Attributes:
        cells: column -> "measured", "skipped: reason" or "refused: reason".
        note: how it is computed, where that is worth knowing.
    """

    name: str
    cells: Mapping[str, str]
    note: str = ""


@dataclass(frozen=True)
class PeftCase:
    """An adapter of one of PEFT's methods, on a tiny base.

    Attributes:
        peft_type: by PEFT's name.
        settings: arguments of its configuration.
        variant: what sets it apart from others of its method.
        shares_prefixes: whether prompts in common are computed once.
        unmerged: why it is not merged, in words of what skips or says so; None where merging is measured.
    """

    peft_type: str
    settings: Mapping[str, Any]
    variant: str = ""
    shares_prefixes: bool = True
    unmerged: str | None = None
    note: str = field(default="", compare=False)

    @property
    def name(self) -> str:
        """Unique among all."""
        return f"{self.peft_type} {self.variant}".strip()

    @property
    def row(self) -> Artefact:
        """Of the table."""
        merged = MEASURED if self.unmerged is None else f"skipped: {self.unmerged}"
        how = "" if self.shares_prefixes else "every text by itself, without a cache"
        return Artefact(
            f"PEFT {self.name}", dict(zip(COLUMNS, (MEASURED, MEASURED, merged), strict=True)), self.note or how
        )


_QV = ["q_proj", "v_proj"]
_LAYERS = ["q_proj", "v_proj", "down_proj"]
INVOCATION = [41, 42]
"""Tokens of the tiny tokenizer that call an aLoRA."""
_VIRTUAL = "puts trained vectors before the text"
_TEXT = "which no weight of the base can tell"
_NO_MERGE = "PEFT cannot merge it"

PEFT_CASES: Sequence[PeftCase] = (
    PeftCase("LORA", {"r": 4, "target_modules": _LAYERS}),
    PeftCase("LORA", {"r": 4, "target_modules": _LAYERS, "use_dora": True}, "DoRA"),
    PeftCase("LORA", {"r": 4, "target_modules": _LAYERS, "use_rslora": True}, "rsLoRA"),
    PeftCase(
        "LORA", {"r": 4, "target_modules": _QV, "trainable_token_indices": [40, 50]}, "with trainable token indices"
    ),
    PeftCase("LORA", {"r": 4, "target_modules": _QV, "modules_to_save": ["norm"]}, "with modules_to_save"),
    PeftCase(
        "LORA",
        {"r": 4, "target_modules": _LAYERS, "alora_invocation_tokens": INVOCATION},
        "aLoRA",
        shares_prefixes=False,
        unmerged=_TEXT,
    ),
    PeftCase("ADALORA", {"init_r": 4, "target_r": 2, "total_step": 10, "target_modules": _LAYERS}),
    PeftCase("ADAMSS", {"r": 8, "num_subspaces": 2, "target_modules": _QV}),
    PeftCase("ADAPTION_PROMPT", {"adapter_len": 4, "adapter_layers": 2}, unmerged=_NO_MERGE),
    PeftCase("BEFT", {"target_modules": ["v_proj"]}, unmerged=_NO_MERGE, note="merged where the base has biases"),
    PeftCase("BOFT", {"boft_block_size": 4, "target_modules": _LAYERS}),
    PeftCase("C3A", {"block_size": 16, "target_modules": _LAYERS}),
    PeftCase("CARTRIDGE", {"num_virtual_tokens": 5}, unmerged=_VIRTUAL),
    PeftCase(
        "CPT",
        {"cpt_token_ids": [5, 6, 7, 8, 9], "cpt_mask": [1] * 5, "cpt_tokens_type_mask": [1, 2, 2, 3, 4]},
        unmerged=_VIRTUAL,
    ),
    PeftCase("DEFT", {"r": 4, "target_modules": _LAYERS}),
    PeftCase("DELORA", {"r": 4, "target_modules": _LAYERS}),
    PeftCase("FOURIERFT", {"n_frequency": 50, "target_modules": _LAYERS}),
    PeftCase("FROD", {"target_modules": _QV, "progressbar": False}),
    PeftCase("GLORA", {"r": 4, "target_modules": _LAYERS}),
    PeftCase("GRALORA", {"r": 4, "target_modules": _LAYERS}),
    PeftCase("HIRA", {"r": 4, "target_modules": _LAYERS}),
    PeftCase("HRA", {"r": 4, "target_modules": _LAYERS}),
    PeftCase("IA3", {"target_modules": ["k_proj", "v_proj", "down_proj"], "feedforward_modules": ["down_proj"]}),
    PeftCase("LN_TUNING", {"target_modules": ["input_layernorm", "norm"]}),
    PeftCase("LOHA", {"r": 4, "target_modules": _LAYERS, "rank_pattern": {"q_proj": 2}}),
    PeftCase("LOKR", {"r": 4, "target_modules": _LAYERS}),
    PeftCase("MISS", {"r": 4, "target_modules": _LAYERS}),
    PeftCase("MULTITASK_PROMPT_TUNING", {"num_virtual_tokens": 5, "num_tasks": 1}, unmerged=_VIRTUAL),
    PeftCase("OFT", {"oft_block_size": 16, "target_modules": _LAYERS}),
    PeftCase("OSF", {"effective_rank": 8, "target_modules": _LAYERS}),
    PeftCase("PEANUT", {"r": 4, "target_modules": _LAYERS}),
    PeftCase("POLY", {"r": 4, "n_skills": 2, "target_modules": _LAYERS}, unmerged=_NO_MERGE),
    PeftCase("PREFIX_TUNING", {"num_virtual_tokens": 5}, unmerged=_VIRTUAL),
    PeftCase(
        "PREFIX_TUNING",
        {"num_virtual_tokens": 5, "prefix_projection": True, "encoder_hidden_size": 16},
        "projected",
        unmerged=_VIRTUAL,
    ),
    PeftCase("PROMPT_TUNING", {"num_virtual_tokens": 5}, unmerged=_VIRTUAL),
    PeftCase("PSOFT", {"r": 4, "target_modules": _LAYERS}),
    PeftCase("PVERA", {"r": 4, "target_modules": _QV}),
    PeftCase("P_TUNING", {"num_virtual_tokens": 5, "encoder_hidden_size": 16}, unmerged=_VIRTUAL),
    PeftCase("RANDLORA", {"r": 4, "target_modules": _LAYERS}),
    PeftCase("ROAD", {"group_size": 8, "target_modules": _LAYERS}),
    PeftCase("SHADOW", {"r": 4, "shadow_num_hidden_layers": 1}, shares_prefixes=False, unmerged=_TEXT),
    PeftCase("SHIRA", {"r": 4, "target_modules": _LAYERS}),
    PeftCase("SUPERTUNING", {"target_modules": _LAYERS}),
    PeftCase("TINYLORA", {"target_modules": _LAYERS}),
    PeftCase("TRAINABLE_TOKENS", {"token_indices": [40, 50, 60]}),
    PeftCase("UNILORA", {"theta_d_length": 64, "target_modules": _LAYERS}),
    PeftCase("VBLORA", {"r": 4, "num_vectors": 16, "vector_length": 16, "target_modules": _LAYERS}),
    PeftCase("VERA", {"r": 4, "target_modules": _QV}),
    PeftCase("VERA", {"r": 4, "target_modules": _QV, "save_projection": False}, "without its projection"),
    PeftCase("WAVEFT", {"n_frequency": 64, "target_modules": _LAYERS}),
)
