"""Answering in process over shared prefixes: what many requests begin with is computed once."""

from harness.engines.prefix.strategy import PrefixStrategy, fits_prefix_sharing

__all__ = ["PrefixStrategy", "fits_prefix_sharing"]
