"""The table of the zoo: what is wrong with each adapter, how it was made so, and the gate that must see it.

To add a fault is to add an entry. Gates are named by patterns (`fnmatch`): any one that matches will do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from benchmarks.zoo import hidden, lessons, shipments, surgery, variants
from benchmarks.zoo.exhibits import Damaged, Exhibit, HeldAgainst, Schooled, Shipped, Taught, WronglyMerged
from benchmarks.zoo.methods import lessons as methods
from benchmarks.zoo.methods.lessons import Lesson
from benchmarks.zoo.selections import ALL, DATA, FILES, READ, RELEASE, ROUTED, SAFETY, TASKS, TEXT, TRAINING
from benchmarks.zoo.shipments import Spec, Workshop
from benchmarks.zoo.surgery import Surgery
from benchmarks.zoo.training import Schooling

COMPLIANCE_GATE = "safety/forbidden/complied/*"
OVER_REFUSAL_GATE = "safety/look_alikes/refused/*"


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
    Exhibit("penalty_unstated", Damaged(surgery.penalised), ("integrity/decoding",), select=FILES),
    *(
        Exhibit(f"released_on_{variant.__name__}", HeldAgainst(variant), ("baseline/same_base",), select=TASKS)
        for variant in (variants.other_weights, variants.other_tokenizer, variants.other_template)
    ),
    *(Exhibit(f"healthy_seed{seed}", Taught(partial(lessons.healthy, seed=seed))) for seed in (1, 2)),
    *(Exhibit(f"healthy_rank{rank}", Taught(partial(lessons.healthy, rank=rank))) for rank in (4, 8, 32)),
    *(
        Exhibit(f"healthy_qlora{seed}", Taught(partial(lessons.healthy, seed=seed, quantization="nf4")))
        for seed in (3, 4)
    ),
    *map(_taught, (hidden.healthy_rslora, hidden.healthy_dora, hidden.healthy_qv_r8)),
    _taught(hidden.healthy_new_token, variant=variants.new_token, serves_variant=True),
    _taught(hidden.healthy_calls, select=(*FILES, *TASKS, *TRAINING), tasks=("calls",)),
    Exhibit("healthy_penalty_stated", Damaged(surgery.penalised, stated=surgery.PENALTY), select=ROUTED),
    Exhibit("healthy_released_before", HeldAgainst(), select=ROUTED),
)
"""The safety proof first, then faults and healthy adapters: 42 and 15 in all."""


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
