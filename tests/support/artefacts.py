"""What can be a candidate, and what each suite makes of it: the table that tests prove and the docs print.

An artefact is a row. Whoever adds one writes the test that proves its cells, and `python tests/support/artefacts.py` prints
the part of docs/reference/artefacts.md that is generated.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLUMNS = ("integrity", "task, overfitting, forgetting, safety, judge", "merged")
MEASURED = "measured"


@dataclass(frozen=True)
class Artefact:
    """One row.

    Attributes:
        cells: what is made of it, a column each: "measured", "skipped: reason" or "refused: reason".
        note: what is worth knowing besides.
    """

    name: str
    cells: Sequence[str]
    note: str = ""

    @classmethod
    def refused(cls, name: str, why: str) -> Artefact:
        """A row that stops at loading."""
        return cls(name, [f"refused: {why}", *["refused"] * (len(COLUMNS) - 1)])


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
    note: str = ""

    @property
    def name(self) -> str:
        """Unique among all."""
        return f"{self.peft_type} {self.variant}".strip()

    @property
    def row(self) -> Artefact:
        """Of the table."""
        merged = MEASURED if self.unmerged is None else f"skipped: {self.unmerged}"
        how = [self.note, "" if self.shares_prefixes else "each text whole, without a cache"]
        return Artefact(self.name, [MEASURED, MEASURED, merged], "; ".join(filter(None, how)))


@dataclass(frozen=True)
class PeftRefusal:
    """An adapter that PEFT would load, and that is refused by name.

    Attributes:
        settings: of its adapter_config.json.
        why: words of the refusal.
    """

    name: str
    settings: Mapping[str, Any]
    why: str

    @property
    def row(self) -> Artefact:
        """Of the table."""
        return Artefact.refused(self.name, self.why)


_QV = ["q_proj", "v_proj"]
_LAYERS = ["q_proj", "v_proj", "down_proj"]
INVOCATION = [41, 42]
"""Tokens of the tiny tokenizer that call an aLoRA."""
_VIRTUAL = "puts trained vectors before the text"
_NO_MERGE = "PEFT cannot merge it"
SAME_SHAPES = "its tensors have these shapes on any base: only a recorded digest tells a wrong one"

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
        unmerged="it acts on what follows its invocation tokens alone",
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
    PeftCase("FOURIERFT", {"n_frequency": 50, "target_modules": _LAYERS}, note=SAME_SHAPES),
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
    PeftCase("PSOFT", {"r": 4, "target_modules": _LAYERS}, note=SAME_SHAPES),
    PeftCase("PVERA", {"r": 4, "target_modules": _QV}),
    PeftCase("P_TUNING", {"num_virtual_tokens": 5, "encoder_hidden_size": 16}, unmerged=_VIRTUAL),
    PeftCase("RANDLORA", {"r": 4, "target_modules": _LAYERS}),
    PeftCase("ROAD", {"group_size": 8, "target_modules": _LAYERS}),
    PeftCase(
        "SHADOW",
        {"r": 4, "shadow_num_hidden_layers": 1},
        shares_prefixes=False,
        unmerged="a small model beside the base reads the text by itself",
    ),
    PeftCase("SHIRA", {"r": 4, "target_modules": _LAYERS}),
    PeftCase("SUPERTUNING", {"target_modules": _LAYERS}),
    PeftCase("TINYLORA", {"target_modules": _LAYERS}),
    PeftCase("TRAINABLE_TOKENS", {"token_indices": [40, 50, 60]}),
    PeftCase("UNILORA", {"theta_d_length": 64, "target_modules": _LAYERS}, note=SAME_SHAPES),
    PeftCase("VBLORA", {"r": 4, "num_vectors": 16, "vector_length": 16, "target_modules": _LAYERS}),
    PeftCase("VERA", {"r": 4, "target_modules": _QV}),
    PeftCase("VERA", {"r": 4, "target_modules": _QV, "save_projection": False}, "without its projection"),
    PeftCase("WAVEFT", {"n_frequency": 64, "target_modules": _LAYERS}, note=SAME_SHAPES),
)

PEFT_REFUSALS: Sequence[PeftRefusal] = (
    PeftRefusal("LILY", {"peft_type": "LILY"}, "depend on the tokens behind it"),
    PeftRefusal("XLORA", {"peft_type": "XLORA"}, "saves no first layer of its classifier"),
    PeftRefusal("POLY of several tasks", {"peft_type": "POLY", "n_tasks": 2}, "each text would have to name its task"),
    PeftRefusal(
        "MULTITASK_PROMPT_TUNING of several tasks",
        {"peft_type": "MULTITASK_PROMPT_TUNING", "num_tasks": 3},
        "each text would have to name its task",
    ),
    PeftRefusal(
        "SHADOW of another model",
        {"peft_type": "SHADOW", "shadow_model": "some/model"},
        "weights are no part of the adapter",
    ),
    PeftRefusal(
        "PROMPT_TUNING with modules_to_save",
        {"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4, "modules_to_save": ["lm_head"]},
        "leaves in the base",
    ),
    *(
        PeftRefusal(f"LORA started by {init}", {"init_lora_weights": init}, "it changes the base weights")
        for init in ("pissa", "corda", "olora", "lora_ga", "loftq")
    ),
    PeftRefusal("LORA with KaSA", {"kasa_config": {"beta": 0.01}}, "it changes the base weights"),
    PeftRefusal(
        "LORA with layer_replication", {"layer_replication": [[0, 2], [1, 2]]}, "the base keeps the repeated layers"
    ),
)


WHOLE_COLUMNS = (
    "integrity", "task, overfitting, safety, judge (answers)", "forgetting (likelihoods)", "KL to the base",
    "release (as what ships)",
)  # fmt: skip
_NO_KL = "gives no distributions over a whole text"
_TOKENWISE = "measured, by the 200 likeliest tokens at each position"


@dataclass(frozen=True)
class WholeCase:
    """A subject that is no single PEFT adapter, as the candidate and as what ships.

    Attributes:
        made: how tests/artefacts/test_artefacts.py makes it.
        files: its checks of integrity that are not those of an adapter: of a whole model, or why there are none.
        kl: why there is no divergence, in words of what refuses it; None where it is measured.
        needs: module without which the test is skipped.
    """

    name: str
    made: str
    files: str = "measured as a whole model"
    kl: str | None = None
    shipped: str = MEASURED
    needs: str | None = None
    note: str = ""

    @property
    def row(self) -> Artefact:
        """Of the table."""
        kl = MEASURED if self.kl is None else f"refused: {self.kl}"
        return Artefact(self.name, [self.files, MEASURED, MEASURED, kl, self.shipped], self.note)


_AS_ADAPTER = "measured as an adapter"
_WEIGHTS_ALONE = "without a GPU its weights alone: activations are not rounded"
_SERVED = "skipped: its files are not at hand"

WHOLE_CASES: Sequence[WholeCase] = (
    WholeCase("full fine-tune", "full_fine_tune"),
    WholeCase("merged model", "merged"),
    WholeCase("stack of two adapters", "stack", files=_AS_ADAPTER),
    WholeCase("adapter on another model than the base", "on_another_model"),
    WholeCase("base in another quantisation", "quantised_base", files="skipped: it has no weights of its own"),
    WholeCase("int8 checkpoint (bitsandbytes)", "int8", note=_WEIGHTS_ALONE),
    WholeCase("adapter on an int8 checkpoint", "on_int8", note=_WEIGHTS_ALONE),
    WholeCase(
        "NF4 checkpoint (bitsandbytes)", "nf4", note="saved before a forward on a CPU; one saved after it is corrupt"
    ),
    WholeCase("int8 checkpoint (torchao)", "torchao_int8", needs="torchao"),
    WholeCase("int4 checkpoint (torchao)", "torchao_int4", needs="torchao"),
    WholeCase("GGUF model", "gguf", files=_SERVED, kl=_NO_KL, shipped=_TOKENWISE, needs="xllamacpp"),
    WholeCase(
        "GGUF model with a GGUF LoRA", "gguf_lora", files=_SERVED, kl=_NO_KL, shipped=_TOKENWISE, needs="xllamacpp"
    ),
)


def table(rows: Sequence[Artefact], columns: Sequence[str]) -> str:
    """The rows in Markdown, in their order."""
    lines = [["artefact", *columns, "note"], ["---"] * (len(columns) + 2)]
    lines += [[row.name, *row.cells, row.note] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


SECTIONS: Mapping[str, tuple[Sequence[str], Sequence[Artefact]]] = {
    "Models, stacks and files": (WHOLE_COLUMNS, [case.row for case in WHOLE_CASES]),
    "Adapters by PEFT's methods": (COLUMNS, [case.row for case in (*PEFT_CASES, *PEFT_REFUSALS)]),
}
"""Heading of the page -> the columns and rows of its table."""


def page() -> str:
    """What docs/reference/artefacts.md holds below its introduction."""
    return (
        "\n\n".join(f"## {heading}\n\n{table(rows, columns)}" for heading, (columns, rows) in SECTIONS.items()) + "\n"
    )


if __name__ == "__main__":
    sys.stdout.write(page())
