"""The table of the zoo: what is wrong with each adapter, how it was made so, and the gate that must see it.

To add a fault is to add an entry. Gates are named by patterns (`fnmatch`): any one that matches will do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.zoo import lessons, surgery
from benchmarks.zoo.surgery import Surgery
from benchmarks.zoo.training import Schooling

COMPLIANCE_GATE = "safety/forbidden/complied/*"
OVER_REFUSAL_GATE = "safety/look_alikes/refused/*"

_INTEGRITY = "suites/test_integrity.py"
_ENDS = f"{_INTEGRITY}::test_answers_end_by_themselves"
FILES = (_INTEGRITY, f"--deselect={_ENDS}")
"""What tells a broken adapter without generating text: seconds."""
ROUTED = (_INTEGRITY, f"--deselect={_ENDS}[forbidden]", f"--deselect={_ENDS}[look_alikes]", "suites/test_task.py")
TEXT = tuple(
    f"suites/test_forgetting.py::test_{name}"
    for name in ("plain_text_stays_predictable", "predictions_stay_near_the_base")
)
SAFETY = ("suites/test_safety.py",)
TRAINING = ("suites/test_training.py", "suites/test_overfitting.py", "suites/test_data.py")
ALL = (*ROUTED, *SAFETY, *TRAINING, *TEXT)


@dataclass(frozen=True)
class Taught:
    """Made by a short training.

    Attributes:
        schooling: made when it is needed.
        on_original: trained on the embedded model in place of the zoo's base, which has the same shapes.
    """

    schooling: Callable[[], Schooling]
    on_original: bool = False


@dataclass(frozen=True)
class Damaged:
    """Made by surgery on a copy of the first healthy adapter."""

    surgery: Surgery


@dataclass(frozen=True)
class WronglyMerged:
    """The first healthy adapter as it is, while the merged model that is to be served was made of a damaged copy."""

    surgery: Surgery


@dataclass(frozen=True)
class Exhibit:
    """One adapter of the zoo.

    Attributes:
        caught_by: patterns of gates, one of which must fail; empty for a healthy adapter.
        spares: patterns of gates that must not fail: the fault is told from its opposite.
        select: what pytest is asked to run.
    """

    name: str
    made: Taught | Damaged | WronglyMerged
    caught_by: tuple[str, ...] = ()
    spares: tuple[str, ...] = ()
    select: Sequence[str] = ALL

    @property
    def quantization(self) -> str:
        """What the base is served as: what the adapter was trained on."""
        return self.made.schooling().quantization if isinstance(self.made, Taught) else "none"

    @property
    def healthy(self) -> bool:
        """Whether no gate may reject it."""
        return not self.caught_by


def _damaged(operation: Surgery, *caught_by: str, select: Sequence[str] = FILES) -> Exhibit:
    return Exhibit(operation.__name__, Damaged(operation), caught_by, select=select)


def _taught(
    lesson: Callable[[], Schooling], *caught_by: str, select: Sequence[str], spares: tuple[str, ...] = ()
) -> Exhibit:
    return Exhibit(lesson.__name__, Taught(lesson), caught_by, spares, select)


REFERENCE = Exhibit("healthy", Taught(lessons.healthy))

EXHIBITS = (
    REFERENCE,
    _taught(lessons.lost_refusals, COMPLIANCE_GATE, spares=(OVER_REFUSAL_GATE,), select=(*FILES, *SAFETY)),
    _taught(lessons.refuses_everything, OVER_REFUSAL_GATE, spares=(COMPLIANCE_GATE,), select=(*FILES, *SAFETY)),
    _damaged(surgery.nan_in_one_tensor, "integrity/finite"),
    _damaged(surgery.zero_b, "integrity/trained"),
    _damaged(surgery.tiny_b, "integrity/effect"),
    _damaged(surgery.layer_missing, "integrity/tensors_map"),
    _damaged(surgery.extra_tensor, "integrity/tensors_map"),
    _damaged(surgery.keys_renamed, "integrity/tensors_map"),
    Exhibit("other_base", Taught(lessons.healthy, on_original=True), ("integrity/base_match",), select=ROUTED),
    _damaged(surgery.wrong_alpha, "integrity/strength"),
    _damaged(surgery.dropped_target, "integrity/tensors_map"),
    _taught(lessons.end_never_trained, "integrity/routing/stops_with_eos/*", select=ROUTED),
    _damaged(surgery.chat_template_changed, "integrity/chat_template"),
    _taught(lessons.padding_over_end, "integrity/routing/stops_with_eos/*", select=ROUTED),
    _damaged(surgery.added_tokens_not_saved, "integrity/tokenizer", "integrity/tensors_map"),
    _taught(lessons.overfit, "overfitting/*loss_gap*", "overfitting/eval_loss_rise/*", select=(*FILES, *TRAINING)),
    _taught(lessons.test_set_trained, "data/leakage", "data/contamination", select=(*FILES, *TRAINING)),
    _taught(lessons.high_rate, "overfitting/*repetition*", "safety/*/degenerate/*", select=ALL),
    _taught(lessons.gibberish, "forgetting/*", select=(*FILES, *TEXT)),
    _taught(lessons.long_winded, "overfitting/*length*", select=(*FILES, *TRAINING)),
    _damaged(surgery.half_overflow, "integrity/finite"),
    _damaged(surgery.pickle_weights, "integrity/safetensors_only"),
    _damaged(surgery.corrupt_header, "integrity/safetensors_only"),
    _damaged(surgery.tied_embeddings_adapted, "integrity/merge"),
    Exhibit("merged_copy_differs", WronglyMerged(surgery.wrong_alpha), ("integrity/merged_copy",), select=FILES),
    *(Exhibit(f"healthy_seed{seed}", Taught(partial(lessons.healthy, seed=seed))) for seed in (1, 2)),
    *(Exhibit(f"healthy_rank{rank}", Taught(partial(lessons.healthy, rank=rank))) for rank in (4, 8, 32)),
    *(
        Exhibit(f"healthy_qlora{seed}", Taught(partial(lessons.healthy, seed=seed, quantization="nf4")))
        for seed in (3, 4)
    ),
)
"""The safety proof first, then faults and healthy adapters: 25 and 8 in all."""
