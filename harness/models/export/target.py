"""What can be made: `--to` of `assay export`."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Literal

from harness.errors import ConfigError, nearest

Kind = Literal["merged", "nf4", "int8", "torchao", "gguf", "gguf-lora"]

TORCHAO = ("torchao-int8", "torchao-int4", "torchao-float8")
_PLAIN = ("merged", "nf4", "int8", *TORCHAO, "gguf-lora")
# llama.cpp's converter writes these itself; every other type is made of its F16 by llama-quantize.
CONVERTED = {"F32": "f32", "F16": "f16", "BF16": "bf16", "Q8_0": "q8_0"}
QUANTIZED = (
    "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_1", "Q5_0", "Q4_K_M", "Q4_K_S", "Q4_1", "Q4_0", "IQ4_NL", "IQ4_XS", "Q3_K_L", "Q3_K_M",
    "Q3_K_S", "Q2_K", "Q2_K_S",
)  # fmt: skip
NAMES = (*_PLAIN, *(f"gguf:{one}" for one in (*CONVERTED, *QUANTIZED)))


@dataclass(frozen=True)
class Target:
    """A form that a candidate can be given.

    Attributes:
        kind: `torchao` for all of its own.
        type: of the GGUF file, or what torchao stores weights as.
    """

    kind: Kind
    type: str = ""

    def __str__(self) -> str:
        return f"{self.kind}{'-' if self.kind == 'torchao' else ':'}{self.type}" if self.type else self.kind


def parse_target(text: str) -> Target:
    """Read a `--to` value.

    Raises:
        ConfigError: nothing is called so, or what makes it is not installed.
    """
    scheme, _, type_ = text.partition(":")
    name = f"{scheme.lower()}:{type_.upper()}" if type_ else text.lower()
    if name not in NAMES:
        raise ConfigError(f"--to={text}: nothing is called so", nearest(name, NAMES))
    if name in TORCHAO:
        if importlib.util.find_spec("torchao") is None:
            raise ConfigError(
                f"--to={text} is made by torchao, which is not installed", "pip install 'adapter-assay[torchao]'"
            )
        return Target("torchao", name.removeprefix("torchao-"))
    if name.startswith("gguf:"):
        return Target("gguf", name.removeprefix("gguf:"))
    return Target(name)  # type: ignore[arg-type]
