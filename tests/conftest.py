"""Settings that every test shares: one thread a process, and where the real data lies."""

import os
from pathlib import Path

import pytest

# Tests run in as many processes as there are cores; set before torch, jax or tensorflow start their thread pools.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Most of a small CLRS network's time is compiling, and what is tested holds at any level of optimisation.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")


@pytest.fixture
def data_folder() -> Path:
    """The folder with real data; the test is skipped where the environment names none."""
    folder = os.environ.get("ACTIVATION_BENCH_DATA")
    if not folder:
        pytest.skip("needs real data: set ACTIVATION_BENCH_DATA to the folder that `bench data prepare` filled")
    return Path(folder)
