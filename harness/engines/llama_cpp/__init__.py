"""Answering by llama.cpp: a GGUF file, and GGUF LoRAs on it, through a server that is started here."""

from harness.engines.llama_cpp.backend import LlamaCppBackend
from harness.engines.llama_cpp.identity import gguf_identity
from harness.engines.llama_cpp.spec import GgufModel, parse_gguf, with_loras

__all__ = ["GgufModel", "LlamaCppBackend", "gguf_identity", "parse_gguf", "with_loras"]
