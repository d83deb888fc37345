"""Operations are deterministic inside, and afterwards as they were before."""

import pytest
from tensorflow.python.framework import config as framework_config

from components.pretraining import devices


@pytest.mark.parametrize("was_enabled", [False, True])
def test_determinism_ends_where_it_began(was_enabled):
    with devices.op_determinism(was_enabled):
        with devices.op_determinism(True):
            assert framework_config.is_op_determinism_enabled()
        assert framework_config.is_op_determinism_enabled() == was_enabled
        with devices.op_determinism(False):
            assert framework_config.is_op_determinism_enabled() == was_enabled
