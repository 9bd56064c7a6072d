"""What is judged: specs, the embedded model, identities, loading. Light to import: torch comes with the first load."""

from harness.config.spec import EMBEDDED_NAME, AdapterSpec, ModelSpec, ServedModel, parse_adapter_spec, parse_model_spec
from harness.models.identity import Identity, adapter_digest, model_identity
from harness.models.resolve import ResolvedAdapter, ResolvedModel, resolve_adapter, resolve_model

__all__ = [
    "EMBEDDED_NAME",
    "AdapterSpec",
    "Identity",
    "ModelSpec",
    "ResolvedAdapter",
    "ResolvedModel",
    "ServedModel",
    "adapter_digest",
    "model_identity",
    "parse_adapter_spec",
    "parse_model_spec",
    "resolve_adapter",
    "resolve_model",
]
