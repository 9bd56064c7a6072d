"""GGUF files made otherwise: without a key of their metadata, or in fewer bits."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 256
_PART = 16


def rewritten(source: Path, target: Path, *, without: Collection[str] = (), in_two_bits: bool = False) -> Path:
    """A copy of a file of float tensors.

    Args:
        without: keys of the metadata that are left out.
        in_two_bits: as llama.cpp's Q2_K: matrices whose rows are whole blocks in 2 bits, other matrices in 4, embeddings in 8.
    """
    import gguf

    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if field.name == "general.architecture" or field.name.startswith("GGUF.") or field.name in without:
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)
    for tensor in reader.tensors:
        values, kind = tensor.data, tensor.tensor_type
        if in_two_bits and values.ndim == 2:
            values, kind = _in_fewer_bits(tensor.name, gguf.dequantize(values, kind))
        writer.add_tensor(tensor.name, np.ascontiguousarray(values), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def _in_fewer_bits(name: str, values: NDArray[np.float32]) -> tuple[NDArray[np.uint8], Any]:
    import gguf

    types = gguf.GGMLQuantizationType
    if name.startswith(("token_embd", "output")):
        return gguf.quantize(values, types.Q8_0), types.Q8_0
    if values.shape[1] % _BLOCK:
        return gguf.quantize(values, types.Q4_0), types.Q4_0
    return _two_bits(values), types.Q2_K


def _two_bits(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Blocks of `block_q2_K` (ggml-common.h): 16 scales and minima of 4 bits, 256 values of 2, and two halves that scale them."""
    parts = values.reshape(-1, _BLOCK // _PART, _PART)
    minima = np.maximum(-parts.min(axis=-1), 0)
    scales = np.maximum((parts.max(axis=-1) + minima) / 3, 1e-12)
    d, dmin = (np.maximum(one.max(axis=-1, keepdims=True) / 15, 1e-8).astype(np.float16) for one in (scales, minima))
    steps, offsets = (
        np.clip(np.round(one / unit.astype(np.float32)), 0, 15).astype(np.uint8)
        for one, unit in ((scales, d), (minima, dmin))
    )
    grid = np.maximum(d.astype(np.float32) * steps, 1e-12)[..., None]
    shift = (dmin.astype(np.float32) * offsets)[..., None]
    quanta = np.clip(np.round((parts + shift) / grid), 0, 3).astype(np.uint8).reshape(-1, 2, 4, 32)
    packed = sum(quanta[:, :, j] << (2 * j) for j in range(4)).astype(np.uint8).reshape(-1, 64)
    halves = np.concatenate([d, dmin], axis=-1).view(np.uint8)
    return np.concatenate([steps | offsets << 4, packed, halves], axis=-1).reshape(len(values), -1)
