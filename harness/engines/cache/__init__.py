"""Answers on disk, found by content: resume mechanism and store of base results at once."""

from harness.engines.cache.answers import AnswerCache, answer_key

__all__ = ["AnswerCache", "answer_key"]
