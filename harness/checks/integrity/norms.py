"""The check that no module's change stands out from its like: a dead layer, or one that has run away."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from harness.checks.integrity.lora import LoraPair, lora_pairs, scale_of
from harness.gates import Check
from harness.models.adapters.files import WEIGHTS, read_adapter_config
from harness.models.adapters.modules import out_of_reach
from harness.models.adapters.names import EXPERT, VIRTUAL_TOKENS

if TYPE_CHECKING:
    import numpy as np

    FloatMatrix = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

# Both must be passed: healthy adapters stay within a factor of 3 of the median of their kind, and where modules are
# very alike, a small difference already has a large score.
_MOST_Z = 8.0
_MOST_RATIO = 10.0
# Fewer than this have no median worth the name: they are held against the modules of all kinds.
FEWEST_OF_A_KIND = 5
# Where half of a kind is dead, or all of it, no module stands out from the median. Healthy adapters stay within a factor
# of 4 in a kind and of 5 between kinds.
_MOST_WITHIN_A_KIND = 1e4
_MOST_BETWEEN_KINDS = 1e3
_DEAD = "this layer was lost or never trained: compare it with the last checkpoint, and save or train again"
_NO_PAIRS = "its method has no pairs of matrices whose changes could be compared"
# No optimiser takes a layer so far and leaves the others; a value whose exponent lost a bit is 2**8 to 2**128 times too large.
_BEYOND_TRAINING = 1e6
_ONE_VALUE = 0.5
_DAMAGED = (
    "the file was damaged after training, as by a flipped bit of an exponent: copy it again from where it was trained, and "
    "compare its SHA-256 there; training again mends nothing"
)
_RUNAWAY = "this layer ran away: lower the learning rate or clip gradients (max_grad_norm), and train again"


def norms_are_even(adapter: Path, base: Path | None = None, *, trust_remote_code: bool = False) -> Check:
    """No module's change is ten times smaller or larger than the median of its kind, and far outside their spread.

    Nor do those of one kind differ 10,000 times, or the medians of the kinds 1,000 times.

    The change of a module is the Frobenius norm of scale * B A. Its logarithm is held against the median of the
    modules of its kind, in units of 1.4826 times their median absolute deviation (the robust z of Iglewicz and Hoaglin, 1993).
    Modules without a change are left out where text alone does not reach them. Virtual tokens are held against each other
    by their own norms; methods without pairs of matrices have none to compare.

    Args:
        base: tells which modules those are, and how many experts share a pair.

    Raises:
        AdapterError: there are no readable weights.
    """
    changes = change_norms(adapter, base, trust_remote_code=trust_remote_code)
    norms = changes or _virtual_token_norms(adapter)
    still = [pair.b for pair, norm in norms.items() if not norm]
    if base is not None and still:
        idle = out_of_reach(adapter, base, still, trust_remote_code=trust_remote_code)
        norms = {pair: norm for pair, norm in norms.items() if pair.b not in idle}
    far = outliers(norms)
    kinds: dict[str, list[float]] = defaultdict(list)
    for pair, norm in norms.items():
        kinds[pair.kind].append(norm)
    medians = {kind: statistics.median(of_kind) for kind, of_kind in sorted(kinds.items())}
    details = {
        "outliers": [{"tensor": pair.b, "norm": norms[pair], "times_median": ratio} for pair, ratio in far],
        "median_norm": medians,
        "layer_shares": _layer_shares(norms),
    }
    what, size = ("modules", "change") if changes else ("virtual tokens", "norm")
    fault = _within_kinds(kinds) or _between_kinds(medians)
    remedy = (
        "the small ones were lost or never trained, or the large ones ran away: compare with the last checkpoint, and save "
        "or train again"
    )
    if far:
        pair, ratio = far[0]
        fault = (
            f"{len(far)} of {len(norms)} {what} stand out from their kind, most {pair.b}: its {size} is "
            f"{ratio:.2g} times the median"
        )
        remedy = _DEAD if ratio < 1 else _DAMAGED if _is_damaged(adapter, pair, ratio) else _RUNAWAY
    seen = f"the {size}s of {len(norms)} {what} are alike in size" if norms else _NO_PAIRS
    return Check("norms", holds=not fault, reason=fault or seen, remedy=remedy, details=details)


def _is_damaged(adapter: Path, pair: LoraPair, ratio: float) -> bool:
    """Whether a change is larger than training could make it, or one value of the pair's tensors outweighs all their others."""
    from safetensors import safe_open

    if ratio > _BEYOND_TRAINING:
        return True
    with safe_open(adapter / WEIGHTS, framework="pt") as file:
        squares = [file.get_tensor(name).double().square() for name in {pair.a, pair.b}.intersection(file.keys())]
    return any(float(of_one.max()) > _ONE_VALUE * float(of_one.sum()) > 0 for of_one in squares if of_one.numel() > 2)


def change_norms(adapter: Path, base: Path | None = None, *, trust_remote_code: bool = False) -> dict[LoraPair, float]:
    """Frobenius norm of scale * B A, for each module whose values are finite; by way of two matrices as small as the rank.

    Experts of one layer count as one module, of their root mean square: text reaches some of them more than others.

    Args:
        base: tells how many experts share a pair, where the adapter has `target_parameters`.

    Raises:
        AdapterError: there are no readable weights.
    """
    from safetensors import safe_open

    config = read_adapter_config(adapter)
    squares: dict[str, list[tuple[LoraPair, float]]] = defaultdict(list)
    pairs = lora_pairs(adapter, base, trust_remote_code=trust_remote_code)
    with safe_open(adapter / WEIGHTS, framework="pt") as file:
        for pair in pairs:
            a, b = (file.get_tensor(name) for name in (pair.a, pair.b))
            if a.ndim == b.ndim == 2 and pair.rank == pair.rank_b:
                squared = squared_norm(a.double().numpy(), b.double().numpy(), pair.experts) / pair.experts
                squared *= scale_of(config, pair) ** 2
                squares[EXPERT.sub(".experts.", pair.module)].append((pair, squared))
    norms = {of_one[0][0]: statistics.fmean(squared for _, squared in of_one) for of_one in squares.values()}
    return {pair: max(0.0, squared) ** 0.5 for pair, squared in norms.items() if math.isfinite(squared)}


def _virtual_token_norms(adapter: Path) -> dict[LoraPair, float]:
    """Euclidean norm of each trained vector that is put before a text, as if it were a module's change."""
    from safetensors import safe_open

    with safe_open(adapter / WEIGHTS, framework="pt") as file:
        if VIRTUAL_TOKENS[0] not in file.keys():  # noqa: SIM118
            return {}
        norms = file.get_tensor(VIRTUAL_TOKENS[0]).double().flatten(1).norm(dim=1).tolist()
    names = (f"virtual token {number}" for number in range(len(norms)))
    return {
        LoraPair(name, VIRTUAL_TOKENS[0], name, 1, 1): norm
        for name, norm in zip(names, norms, strict=True)
        if math.isfinite(norm)
    }


def squared_norm(a: FloatMatrix, b: FloatMatrix, experts: int = 1) -> float:
    """The squared Frobenius norm of B A, summed over experts that PEFT stacks: A by experts, then ranks; B the other way."""
    # by numpy: torch puts all its threads to each of hundreds of tiny products
    of_a = a.reshape(experts, -1, a.shape[1])
    of_b = b.reshape(b.shape[0], -1, experts).transpose(2, 0, 1)
    return float(((of_a @ of_a.transpose(0, 2, 1)) * (of_b.transpose(0, 2, 1) @ of_b)).sum())


class OfKind(Protocol):
    """Something that was changed, and whose like are in every layer."""

    @property
    def kind(self) -> str: ...


K = TypeVar("K", bound=OfKind)


def outliers(norms: Mapping[K, float]) -> list[tuple[K, float]]:
    """(module, times the median of its kind), the furthest first."""
    import numpy as np
    from scipy.stats import median_abs_deviation

    groups: dict[str, list[K]] = defaultdict(list)
    for pair in norms:
        groups[pair.kind].append(pair)
    found = []
    for group in groups.values():
        like = group if len(group) >= FEWEST_OF_A_KIND else list(norms)
        positive = np.log([norms[pair] for pair in like if norms[pair] > 0])
        if len(positive) < FEWEST_OF_A_KIND:
            continue
        centre = float(np.median(positive))
        spread = float(median_abs_deviation(positive, scale="normal"))
        for pair in group:
            away = abs(np.log(norms[pair]) - centre) if norms[pair] > 0 else np.inf
            if away > np.log(_MOST_RATIO) and away > _MOST_Z * spread:
                found.append((pair, norms[pair] / float(np.exp(centre))))
    return sorted(found, key=lambda one: -abs(np.log(one[1])) if one[1] > 0 else -np.inf)


def _within_kinds(kinds: Mapping[str, Sequence[float]]) -> str:
    for kind, norms in kinds.items():
        if max(norms) > _MOST_WITHIN_A_KIND * min(norms):
            return f"the changes of {kind} differ too much between layers: from {min(norms):.2g} to {max(norms):.2g}"
    return ""


def _between_kinds(medians: Mapping[str, float]) -> str:
    by_size = sorted(medians.items(), key=lambda of_kind: of_kind[1])
    if not by_size or by_size[-1][1] <= _MOST_BETWEEN_KINDS * by_size[0][1]:
        return ""
    (least, low), (most, high) = by_size[0], by_size[-1]
    return f"the changes of {least} ({low:.2g} in the median) are nothing beside {most}'s ({high:.2g})"


def _layer_shares(norms: Mapping[LoraPair, float]) -> dict[str, float]:
    """Layer number -> its share of the squared norm of all changes: where in depth the adapter sits."""
    total = sum(norm**2 for norm in norms.values())
    shares: dict[str, float] = defaultdict(float)
    for pair, norm in norms.items():
        layer = next((part for part in pair.module.split(".") if part.isdigit()), "none")
        shares[layer] += norm**2 / total if total else 0.0
    return dict(shares)
