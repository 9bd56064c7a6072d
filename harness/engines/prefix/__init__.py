"""Answering in process over shared prefixes: what many requests begin with is computed once."""

from harness.engines.prefix.strategy import PrefixStrategy

__all__ = ["PrefixStrategy"]
