"""The options of pytest, each once: `--NAME`, `--assay-NAME` and the ini key `assay_NAME` are made from a field here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from harness.config.base import Section
from harness.config.profiles import Inconclusive
from harness.config.sections import Dtype, Quantization


@dataclass(frozen=True)
class Metavar:
    """How the value is called in `--help`."""

    name: str


class PlainOptions(Section):
    """Options that hold as they are given; the settings have each under the same name."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Nobody can write null on a command line: it stands for an option that is not given."""
        schema = super().__get_pydantic_json_schema__(core, handler)
        for option in handler.resolve_ref_schema(schema)["properties"].values():
            option.update(option.pop("anyOf", [{}])[0])
        return schema

    dtype: Dtype = "auto"
    """precision (auto: bfloat16 where the hardware has it)"""
    device: Annotated[str, Metavar("DEVICE")] = "auto"
    """auto, cpu, cuda, cuda:N or mps"""
    quantization: Quantization | None = None
    """quantization of the base while measuring"""
    baseline: Annotated[str | None, Metavar("RUN")] = None
    """released adapter to hold the candidate against too: a baseline's name, a run id, a path or a URL"""
    sequential: bool = False
    """ask large benchmarks in random order and stop as soon as a gate is decided"""
    chat_template: bool = False
    """put lm-eval's tasks as conversations, each few-shot example a turn"""
    strict: bool = False
    """fail where a gate of the baseline is missing from this run, as --strict asks too"""
    keep_going: bool = False
    """measure on where the integrity suite has failed, in place of skipping what costs more"""
    trust_remote_code: bool = False
    """run Python code out of the model's repository"""


class Options(PlainOptions):
    """All options; those here are resolved over the configuration file."""

    model: Annotated[str | None, Metavar("BASE")] = None
    """base model: smollm2-135m, a local directory or a hub id"""
    adapter: Annotated[str | None, Metavar("ADAPTER")] = None
    """adapter under test: a local directory, a hub id or recipe:NAME"""
    candidate: Annotated[str | None, Metavar("SPEC")] = None
    """other subject under test: a model (directory, hub id, openai:NAME@URL), several adapters, or a YAML file of its parts"""
    shipped: Annotated[str | None, Metavar("SPEC")] = None
    """what ships of the candidate, to be held against it: as --candidate takes it, or a GGUF file"""
    profile: Annotated[str | None, Metavar("NAME")] = None
    """sizes and strictness: smoke, release, or one of assay.yaml"""
    inconclusive: Inconclusive | None = None
    """what an inconclusive gate does to its test (default: as the profile says)"""
    reports_dir: Annotated[str | None, Metavar("DIR")] = None
    """where run directories are written (default: reports/ beside assay.yaml)"""
    data_dir: Annotated[str | None, Metavar("DIR")] = None
    """local copies of benchmarks: mmlu/, gsm8k/ ... (default: $ASSAY_DATA_DIR, else the hub)"""
    tasks: Annotated[str, Metavar("A,B")] = ""
    """further tasks that must not get worse: names of assay.yaml or lm-eval, separated by commas"""
    baseline_store: Annotated[str | None, Metavar("STORE")] = None
    """where baselines are kept: a directory or a URL like s3://... (default: with the runs)"""
    template: Annotated[str | None, Metavar("TEMPLATE")] = None
    """chat template of the candidate: base, adapter (the one beside it) or a file (default: the base's, and a gate asks)"""
    reasoning: Annotated[str | None, Metavar("HOW")] = None
    """how thoughts are told from answers: auto (by the chat template), none, or OPEN,CLOSE (default: auto)"""
    judge: Annotated[str | None, Metavar("JUDGE")] = None
    """model that judges open answers: openai:NAME@URL, a directory, a hub id or smollm2-135m"""
    judge_budget: Annotated[str | None, Metavar("N")] = None
    """most to spend on new judgements: tokens, or 5USD where `judge:` has prices; a hard stop"""
    config: Annotated[str | None, Metavar("FILE")] = None
    """configuration file (default: the nearest assay.yaml)"""
