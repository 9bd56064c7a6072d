"""What the `gate` fixture does with what it is given, without an inner run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.plugin.gating import Gate


def test_a_check_that_does_not_apply_skips_its_test() -> None:
    gate = Gate(cast(Any, SimpleNamespace(stash=pytest.Stash())), *[cast(Any, None)] * 2)
    with pytest.raises(pytest.skip.Exception, match="does not apply"):
        gate(None)
    with pytest.raises(pytest.skip.Exception, match="the rows are no pairs"):
        gate(None, otherwise="the rows are no pairs")
    assert gate.verdicts == []
