"""What a recipe of method openai may say, checked before anything is asked or sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.fine_tuning import job_create_params
from openai.types.fine_tuning.dpo_hyperparameters_param import DpoHyperparametersParam
from openai.types.fine_tuning.reinforcement_hyperparameters_param import ReinforcementHyperparametersParam
from openai.types.fine_tuning.reinforcement_method_param import ReinforcementMethodParam
from openai.types.fine_tuning.supervised_hyperparameters_param import SupervisedHyperparametersParam
from provider_recipes import MakeServed

from harness.errors import RecipeError
from harness.training.arguments import trainer_arguments
from harness.training.installed import declared_fields
from harness.training.methods import API_JOB, API_METHODS
from harness.training.recipe_schema import recipe_schema


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"limits": None}, "costs money, and nothing says how much at the most"),
        ({"limits": {"tokens": 0}}, "tokens"),
        ({"limits": {"tokens": 10, "cost": 5.0}}, "cost is 5, and no price is given"),
        ({"limits": {"tokens": 10, "price": -1.0}}, "price"),
        ({"limits": {"tokens": 10, "hour": 3}}, "hour"),
        ({"trainer": {}}, "trainer.n_epochs leaves it to the provider"),
        ({"trainer": {"n_epochs": "auto"}}, "trainer.n_epochs leaves it to the provider"),
        ({"trainer": {"n_epochs": 0}}, "give a number above 0, or auto"),
        ({"trainer": {"n_epochs": 2, "batch_size": "large"}}, "give a number above 0, or auto"),
        ({"trainer": {"n_epochs": 2, "beta": 0.1}}, "beta"),
        ({"trainer": {"n_epochs": 2, "method": "sft"}}, "trainer.method is 'sft'"),
        ({"trainer": {"n_epochs": 2, "method": "reinforcement"}}, "trainer.grader is not given"),
        ({"trainer": {"n_epochs": 2, "learning_rate": 1e-4}}, "learning_rate"),
        ({"trainer": {"n_epochs": 2, "training_file": "file-1"}}, "files are made of the rows"),
        ({"trainer": {"n_epochs": 2, "model": "gpt-5"}}, "the model is the recipe's base"),
        ({"trainer": {"n_epochs": 2, "hyperparameters": {}}}, "they stand beside `method`"),
        ({"trainer": {"n_epochs": 2, "suffix": "x" * 65}}, "has 65 characters"),
        ({"trainer": {"n_epochs": 2, "metadata": {"a": 1}}}, "at most 14 texts"),
        ({"trainer": {"n_epochs": 2, "metadata": {f"k{i}": "" for i in range(15)}}}, "at most 14 texts"),
        ({"trainer": {"n_epochs": 2, "seed": 1.5}}, "takes null or int"),
        ({"base": "gpt-4.1-mini"}, "trains a model where it is served"),
        ({"base": "openai:gpt-4.1-mini@https://me:secret@api.example.com/v1"}, "holds credentials"),
        ({"peft": {"r": 8}}, "peft is of methods that train here"),
        ({"quantization": "nf4"}, "quantization is of methods that train here"),
        ({"early_stopping_patience": 2}, "early_stopping_patience is of methods that train here"),
        ({"reward": "a:b"}, "reward is of methods that train here"),
        ({"method": "sft", "base": "x", "trainer": {}}, "limits is of method openai"),
        (
            {"trainer": {"n_epochs": 1, "method": "dpo"}, "data": {"train": {"path": "a"}, "rehearsal": {"path": "b"}}},
            "data.rehearsal is of answers to learn",
        ),
        (
            {
                "trainer": {"n_epochs": 1, "method": "reinforcement", "grader": {"type": "multi"}},
                "limits": {"tokens": 9, "cost": 1.0, "price": 1.0},
            },
            "billed by hours",
        ),
    ],
    ids=lambda value: None if isinstance(value, str) else json.dumps(value)[:60],
)  # fmt: skip
def test_what_cannot_be_ordered_is_refused_when_the_recipe_is_read(
    make_served: MakeServed, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecipeError) as told:
        make_served(whole=changes)
    assert said in str(told.value)
    assert "secret" not in str(told.value)


def test_hours_and_prices_may_be_whole_numbers(make_served: MakeServed) -> None:
    limits = make_served(limits={"hours": 48, "price": 25, "cost": 5}).limits
    assert limits is not None and (limits.hours, limits.cost) == (48, 5)


@pytest.mark.parametrize(
    ("method", "declared"),
    [
        ("supervised", SupervisedHyperparametersParam),
        ("dpo", DpoHyperparametersParam),
        ("reinforcement", ReinforcementHyperparametersParam),
    ],
)
def test_arguments_are_those_that_the_installed_client_declares(method: str, declared: Any) -> None:
    how = API_METHODS[method]
    hyperparameters = set(declared.__annotations__)
    assert set(declared_fields(how.hyperparameters)) == hyperparameters
    job = set(job_create_params.JobCreateParams.__annotations__)
    assert set(declared_fields(API_JOB)) == job
    assert set(trainer_arguments(how).model_fields) == {*job, *hyperparameters, *how.required}
    if method == "reinforcement":
        assert set(ReinforcementMethodParam.__annotations__) == {"hyperparameters", *how.required}


def test_editors_know_the_apis_arguments() -> None:
    trainer = recipe_schema()["$defs"]["trainer"]["properties"]
    assert {"method", "n_epochs", "learning_rate_multiplier", "beta", "suffix", "metadata"} <= trainer.keys()
