from __future__ import annotations

import dataclasses
from types import NoneType

from harness.training.arguments import PEFT_METHODS, SFT_SOURCES, accepts, declared_fields


def test_fields_read_from_source_are_those_of_the_installed_classes() -> None:
    from peft import LoraConfig
    from trl import SFTConfig

    for sources, real in ((SFT_SOURCES, SFTConfig), (PEFT_METHODS["LORA"].sources, LoraConfig)):
        wanted = {f.name for f in dataclasses.fields(real) if f.init and not f.name.startswith("_")}
        assert set(declared_fields(sources)) == wanted


def test_defaults_of_the_installed_classes_are_accepted_types() -> None:
    from peft import LoraConfig
    from trl import SFTConfig

    for sources, real in ((SFT_SOURCES, SFTConfig), (PEFT_METHODS["LORA"].sources, LoraConfig)):
        for f in dataclasses.fields(real):
            if f.name in declared_fields(sources) and type(f.default) in (int, float, bool, str):
                assert accepts(declared_fields(sources)[f.name], f.default), f.name


def test_an_integer_is_a_float_but_a_boolean_is_no_number() -> None:
    assert accepts((float,), 1)
    assert not accepts((int,), True)
    assert not accepts((int,), 1.5)
    assert accepts((str, NoneType), None)
