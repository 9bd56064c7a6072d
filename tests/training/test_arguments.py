"""What recipes may set is what the installed classes declare, read without importing them."""

from __future__ import annotations

import dataclasses
from types import NoneType

import pytest

from harness.training.configs import config_class
from harness.training.installed import ClassName, accepts, compared_with, declared_fields, peft_configs
from harness.training.methods import METHODS


def installed() -> list[tuple[ClassName, type]]:
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    by_peft = [(peft_configs()[kind.value], config) for kind, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()]
    return [*by_peft, *((method.config, config_class(method)) for method in METHODS.values())]


def test_fields_read_from_source_are_those_of_the_installed_classes() -> None:
    for source, real in installed():
        assert source.name == real.__name__
        wanted = {f.name for f in dataclasses.fields(real) if f.init and not f.name.startswith("_")}
        assert set(declared_fields(source)) == wanted, source


def test_defaults_of_the_installed_classes_are_accepted_types() -> None:
    for source, real in installed():
        declared = declared_fields(source)
        for f in dataclasses.fields(real):
            if f.name in declared and type(f.default) in (int, float, bool, str):
                assert accepts(declared[f.name], f.default), (source, f.name)


def test_every_type_of_adapter_that_is_installed_is_known() -> None:
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    assert set(peft_configs()) == {kind.value for kind in PEFT_TYPE_TO_CONFIG_MAPPING}


@pytest.mark.parametrize(
    ("method", "some"),
    [
        ("sft", {"nll", "dft"}),
        ("dpo", {"sigmoid", "ipo", "robust", "apo_zero", "discopop", "sft"}),
        ("kto", {"kto", "apo_zero_unpaired"}),
        ("cpo", {"sigmoid", "hinge", "ipo", "simpo"}),
        ("grpo", {"grpo", "bnpo", "dr_grpo", "dapo", "cispo"}),
        ("online_dpo", {"sigmoid", "ipo"}),
    ],
)
def test_losses_are_those_that_the_trainer_tells_apart(method: str, some: set[str]) -> None:
    assert some <= compared_with(f"{METHODS[method].home}_trainer", "loss_type")


def test_an_integer_is_a_float_but_a_boolean_is_no_number() -> None:
    assert accepts((float,), 1)
    assert not accepts((int,), True)
    assert not accepts((int,), 1.5)
    assert accepts((str, NoneType), None)


def test_a_loss_that_the_installed_version_renames_is_one_it_knows() -> None:
    config = METHODS["sft"].config
    assert "chunked_nll" in compared_with(config.module, "loss_type")
