"""The check that what is measured is computed as it will be served."""

from __future__ import annotations

from harness.gates import Check


def precision_is_as_served(measured: tuple[str, str], served: tuple[str | None, str | None]) -> Check:
    """Precision and quantization of the measurement are those of `serving:` in assay.yaml.

    Args:
        measured: dtype ("bfloat16") and quantization ("none", "nf4", "int8") of the model in memory.
        served: the same as configured; None where the file does not say.
    """
    named = ("dtype", "quantization")
    wrong = [n for n, now, then in zip(named, measured, served, strict=True) if then is not None and now != then]
    here, there = dict(zip(named, measured, strict=True)), dict(zip(named, served, strict=True))
    details = {"measured": here, "served": there}
    if wrong:
        return Check(
            "serving_precision",
            holds=False,
            reason=f"measured with {wrong[0]} {here[wrong[0]]}, served with {there[wrong[0]]}: "
            "the verdicts are about another model",
            remedy=" ".join(f"--{name}={there[name]}" for name in wrong) + " measures what is served",
            details=details,
        )
    return Check("serving_precision", holds=True, reason=f"measured as served ({', '.join(measured)})", details=details)
