"""What a benchmark is: networks, data sets and recipes into which an activation is put.

`get`, `names` and `register_task` are the way in; `tasks.base` says what a task states and returns.
"""

from tasks.base import (
    PROFILES,
    Context,
    Dataset,
    DataStatus,
    Diverged,
    Measurement,
    Metric,
    MissingData,
    Profile,
    Reference,
    SeedBatched,
    Selection,
    Task,
    TaskError,
    TaskSpec,
    Track,
)
from tasks.registry import UnknownTask, get, names, register_task

__all__ = [
    "PROFILES",
    "Context",
    "DataStatus",
    "Dataset",
    "Diverged",
    "Measurement",
    "Metric",
    "MissingData",
    "Profile",
    "Reference",
    "SeedBatched",
    "Selection",
    "Task",
    "TaskError",
    "TaskSpec",
    "Track",
    "UnknownTask",
    "get",
    "names",
    "register_task",
]
