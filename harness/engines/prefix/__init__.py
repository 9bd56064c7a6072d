"""Answering in process over shared prefixes: what many requests begin with is computed once."""

from harness.engines.prefix.strategy import ForkedStrategy, PackedStrategy, PrefixStrategy

__all__ = ["ForkedStrategy", "PackedStrategy", "PrefixStrategy"]
