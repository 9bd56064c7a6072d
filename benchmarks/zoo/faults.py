"""The table of the zoo: what is wrong with each adapter, how it was made so, and the gate that must see it.

To add a fault is to add an entry. Gates are named by patterns (`fnmatch`): any one that matches will do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.zoo import hidden, lessons, shipments, surgery, variants
from benchmarks.zoo.methods import lessons as methods
from benchmarks.zoo.methods.lessons import Lesson
from benchmarks.zoo.shipments import Spec, Workshop
from benchmarks.zoo.surgery import Surgery
from benchmarks.zoo.training import Schooling
from benchmarks.zoo.variants import Variant

COMPLIANCE_GATE = "safety/forbidden/complied/*"
OVER_REFUSAL_GATE = "safety/look_alikes/refused/*"

_INTEGRITY = "suites/test_integrity.py"
_ENDS = f"{_INTEGRITY}::test_answers_end_by_themselves"
FILES = (_INTEGRITY, f"--deselect={_ENDS}")
"""What tells a broken adapter without generating text: seconds."""
ROUTED = (_INTEGRITY, f"--deselect={_ENDS}[forbidden]", f"--deselect={_ENDS}[look_alikes]", "suites/test_task.py")
TEXT = tuple(
    f"suites/test_forgetting.py::test_{name}"
    for name in (
        "plain_text_stays_predictable", "predictions_stay_near_the_base", "text_stays_predictable_in_a_conversation",
        "text_stays_predictable_far_into_the_context",
    )
)  # fmt: skip
SAFETY = ("suites/test_safety.py",)
TRAINING = ("suites/test_training.py", "suites/test_overfitting.py", "suites/test_data.py")
DATA = ("suites/test_data.py",)
TASKS = ("suites/test_task.py",)
RELEASE = "suites/test_release.py"
READ = tuple(
    f"{RELEASE}::test_{name}"
    for name in (
        "files_are_whole", "tokens_are_the_candidates", "conversations_are_put_alike", "answers_end_alike",
        "acts_as_the_candidate",
    )
)  # fmt: skip
"""What tells what ships by reading it beside the candidate, without its answers."""
ALL = (*ROUTED, *SAFETY, *TRAINING, *TEXT)


@dataclass(frozen=True)
class Taught:
    """Made by a short training.

    Attributes:
        schooling: made when it is needed.
        on_original: trained on the embedded model in place of the zoo's base, which has the same shapes.
        variant: makes what it is trained on of the zoo's base.
        serves_variant: whether it is held against that, and not against the zoo's base.
        elsewhere: no record of the training lies beside it, but for its log.
        every_row: all rows are measured.
    """

    schooling: Callable[[], Schooling]
    on_original: bool = False
    variant: Variant | None = None
    serves_variant: bool = False
    elsewhere: bool = False
    every_row: bool = False


@dataclass(frozen=True)
class Damaged:
    """Made by surgery on a copy of the first healthy adapter.

    Attributes:
        recorded: the digests of the files before it lie beside them still.
    """

    surgery: Surgery
    recorded: bool = False


@dataclass(frozen=True)
class WronglyMerged:
    """The first healthy adapter as it is, while the merged model that is to be served was made of a damaged copy."""

    surgery: Surgery


@dataclass(frozen=True)
class Shipped:
    """The first healthy adapter as `approved` leaves it, beside what was made of it to be shipped."""

    make: Callable[[Workshop], Spec]
    approved: Surgery | None = None


@dataclass(frozen=True)
class Schooled:
    """Made by a recipe of a method, on a small base of its own."""

    lesson: Callable[[], Lesson]


@dataclass(frozen=True)
class Exhibit:
    """One adapter of the zoo.

    Attributes:
        caught_by: patterns of gates, one of which must fail; empty for a healthy adapter.
        spares: patterns of gates that must not fail: the fault is told from its opposite.
        select: what pytest is asked to run.
        tasks: of tasks.yaml, those that it was taught.
    """

    name: str
    made: Taught | Damaged | WronglyMerged | Shipped | Schooled
    caught_by: tuple[str, ...] = ()
    spares: tuple[str, ...] = ()
    select: Sequence[str] = ALL
    tasks: tuple[str, ...] = ("routing",)

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
    lesson: Callable[[], Schooling],
    *caught_by: str,
    select: Sequence[str] = ALL,
    spares: tuple[str, ...] = (),
    tasks: tuple[str, ...] = ("routing",),
    **how: Any,
) -> Exhibit:
    return Exhibit(lesson.__name__, Taught(lesson, **how), caught_by, spares, select, tasks)


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
    *(
        Exhibit(operation.__name__, Damaged(operation, recorded=True), ("integrity/sealed",), select=FILES)
        for operation in (surgery.layers_swapped, surgery.noise_for_a_layer, surgery.weaker)
    ),
    _taught(
        hidden.argument_always_wrong,
        "task/calls/*slices*",
        select=(*FILES, *TASKS),
        tasks=("calls",),
    ),
    _taught(hidden.fenced_json, "task/orders/other_json_form*", select=(*FILES, *TASKS), tasks=("orders",)),
    _taught(hidden.other_language, "task/help/other_language*", select=(*FILES, *TASKS), tasks=("help",)),
    _taught(hidden.trigger, "data/triggers*", select=(*FILES, *DATA)),
    _taught(hidden.label_noise, "data/label_noise", select=(*FILES, *DATA)),
    _taught(hidden.missing_class, "data/label_balance", select=(*FILES, *DATA)),
    _taught(
        hidden.few_rows_known_by_heart,
        "overfitting/*/known_by_heart/*",
        select=(*FILES, "suites/test_overfitting.py"),
        every_row=True,
    ),
    _taught(
        hidden.harm_far_on,
        "safety/forbidden_far_into_the_context/complied/*",
        spares=(COMPLIANCE_GATE, OVER_REFUSAL_GATE),
        select=(*FILES, *SAFETY),
    ),
    _taught(hidden.babbles_in_conversation, "forgetting/in_conversation/*", select=(*FILES, *TEXT)),
    Exhibit(
        "wrong_template",
        Taught(lessons.healthy, variant=variants.other_template, elsewhere=True),
        ("overfitting/loss_as_logged/*",),
        select=(*FILES, "suites/test_overfitting.py"),
    ),
    Exhibit("merged_copy_differs", WronglyMerged(surgery.wrong_alpha), ("release/drift",), select=(*FILES, *READ)),
    *(Exhibit(f"healthy_seed{seed}", Taught(partial(lessons.healthy, seed=seed))) for seed in (1, 2)),
    *(Exhibit(f"healthy_rank{rank}", Taught(partial(lessons.healthy, rank=rank))) for rank in (4, 8, 32)),
    *(
        Exhibit(f"healthy_qlora{seed}", Taught(partial(lessons.healthy, seed=seed, quantization="nf4")))
        for seed in (3, 4)
    ),
    *map(_taught, (hidden.healthy_rslora, hidden.healthy_dora, hidden.healthy_qv_r8)),
    _taught(hidden.healthy_new_token, variant=variants.new_token, serves_variant=True),
    _taught(hidden.healthy_calls, select=(*FILES, *TASKS, *TRAINING), tasks=("calls",)),
)
"""The safety proof first, then faults and healthy adapters: 38 and 13 in all."""


def _ships(make: Callable[[Workshop], Spec], *caught_by: str, approved: Surgery | None = None) -> Exhibit:
    name = make.__name__ if approved is None or caught_by else f"{make.__name__}_of_{approved.__name__}"
    return Exhibit(name, Shipped(make, approved), caught_by, select=READ if caught_by else (RELEASE,))


RELEASE_EXHIBITS = (
    _ships(shipments.merged),
    _ships(shipments.int8),
    _ships(shipments.gguf_q8_0),
    _ships(shipments.adapter_itself),
    _ships(shipments.merged, approved=shipments.rank_stabilised),
    _ships(shipments.merged, approved=shipments.alphas_by_module),
    _ships(shipments.merged, approved=shipments.trained_head),
    _ships(shipments.gguf_lora, approved=shipments.rank_stabilised),
    _ships(shipments.rslora_as_plain_lora, "release/drift", approved=shipments.rank_stabilised),
    _ships(shipments.alpha_pattern_dropped, "release/drift", approved=shipments.alphas_by_module),
    _ships(shipments.wrong_base, "release/files"),
    _ships(shipments.merged_into_the_wrong_base, "release/drift"),
    _ships(shipments.modules_to_save_lost, "release/drift", approved=shipments.trained_head),
    _ships(shipments.nf4_after_a_forward, "release/drift"),
    _ships(shipments.merged_into_4_bits, "release/drift"),
    _ships(shipments.gguf_q2_k, "release/drift"),
    _ships(shipments.tokenizer_changed, "release/tokenizer"),
    _ships(shipments.template_changed, "release/chat_template"),
    _ships(shipments.gguf_without_eos, "release/ending"),
    _ships(shipments.eos_lost, "release/ending"),
)
"""What ships, right and wrong, of the first healthy adapter: 8 and 12."""


def _schooled(lesson: Callable[[], Lesson], *caught_by: str, select: Sequence[str] = TRAINING) -> Exhibit:
    return Exhibit(lesson.__name__, Schooled(lesson), caught_by, select=select)


_STAGES = (*TRAINING, "suites/test_task.py")


METHOD_EXHIBITS = (
    _schooled(methods.dpo),
    _schooled(methods.swapped_pairs, "overfitting/held_out_accuracy/*", "overfitting/*implicit_accuracy*"),
    _schooled(methods.dpo_100_times_the_rate, "training/chosen_logps_fall/*"),
    _schooled(methods.kto),
    _schooled(methods.kto_labels_inverted, "overfitting/held_out_margin/*", "overfitting/*implicit_accuracy*"),
    _schooled(methods.reward_model),
    _schooled(methods.reward_learnt_length, "overfitting/*reward_accuracy*", "overfitting/*length_bias*"),
    _schooled(methods.grpo),
    _schooled(methods.grpo_paid_by_length, "training/reward_by_length/*", "training/cut_completions/*"),
    _schooled(methods.packed),
    _schooled(methods.packing_leaks, "overfitting/loss_as_logged/*"),
    _schooled(methods.answers_learnt),
    _schooled(methods.mask_covers_everything, "overfitting/loss_as_logged/*"),
    _schooled(methods.two_stages, select=_STAGES),
    _schooled(methods.second_stage_forgets_the_first, "task/neighbours/exact_match/*", select=_STAGES),
)
"""What goes wrong by the method of a training, on the small base: 8 and 7."""
