"""The check that what training changed in a whole model is alike in size: no layer that ran away, and some that changed."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import Any

from harness.checks.integrity.model_files import ModelFiles
from harness.checks.integrity.norms import FEWEST_OF_A_KIND, outliers
from harness.gates import Check

_SHOWN = 5
_RUNAWAY = "this layer ran away, or was damaged: compare it with the last checkpoint, and save or train again"
# What has few of its kind, such as embeddings and heads, is held to the median of all, and may be trained by itself.
_MOST_OF_A_FEW = 100


@dataclass(frozen=True)
class Change:
    """A tensor that is not as the base has it."""

    name: str

    @property
    def kind(self) -> str:
        """The name without its layer, the same in every layer."""
        return ".".join("N" if part.isdigit() else part for part in self.name.split("."))


def model_changes_are_even(files: ModelFiles) -> Check:
    """No tensor's change from the base is ten times that of its like (a hundred times, of the few without like), and far
    outside their spread.

    The change of a tensor is its root mean square difference from the base's, which Adam makes about as large in every
    matrix it trains, and which layers that were frozen or not merged into do not have.
    """
    base = files.of_base()
    names = [] if base is None else sorted(files.headers.keys() & base.headers.keys())
    same_shape = [n for n in names if base is not None and files.headers[n].shape == base.headers[n].shape]
    if base is None or files.is_quantized or base.is_quantized or not same_shape:
        why = (
            "a base whose files are not at hand"
            if base is None
            else "packed weights"
            if same_shape
            else "another architecture"
        )
        return Check("model_change", holds=True, reason=f"tensors are not held against the base's: {why}")
    sizes = {Change(name): _change(files.tensor(name), base.tensor(name)) for name in same_shape}
    changed = {change: size for change, size in sizes.items() if size > 0 and math.isfinite(size)}
    like = Counter(change.kind for change in changed)
    large = [
        (c, ratio)
        for c, ratio in outliers(changed)
        if ratio > (1 if like[c.kind] >= FEWEST_OF_A_KIND else _MOST_OF_A_FEW)
    ]
    layers: dict[str, float] = {}
    for change, size in changed.items():
        layer = next((part for part in change.name.split(".") if part.isdigit()), "none")
        layers[layer] = max(layers.get(layer, 0.0), size)
    details = {
        "outliers": [
            {"tensor": change.name, "change": changed[change], "times_median": ratio} for change, ratio in large
        ],
        "largest_by_layer": layers,
        "changed": len(changed),
        "as_the_base": len(sizes) - len(changed),
        "others": sorted(files.headers.keys() ^ base.headers.keys())[:_SHOWN],
    }
    if not changed:
        return Check(
            "model_change",
            holds=False,
            reason=f"all {len(sizes)} tensors are the base's",
            remedy="it was saved without what was trained: save again, or pass the right directory",
            details=details,
        )
    if large:
        change, ratio = large[0]
        reason = f"{len(large)} of {len(changed)} changed tensors stand out, most {change.name}: {ratio:.2g} times the median"
        return Check("model_change", holds=False, reason=reason, remedy=_RUNAWAY, details=details)
    median = statistics.median(changed.values())
    return Check(
        "model_change",
        holds=True,
        reason=f"{len(changed)} of {len(sizes)} tensors changed, by {median:.2g} in the median, none out of line",
        details=details,
    )


def _change(now: Any, before: Any) -> float:
    """Root mean square of the difference, in the coarser of the two precisions: another precision alone is no change."""
    kind = now.dtype if now.itemsize < before.itemsize else before.dtype
    return float((now.to(kind).float() - before.to(kind).float()).square().mean().sqrt())
