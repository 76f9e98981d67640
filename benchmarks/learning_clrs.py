"""Learning is real: ReLU learns bfs of CLRS-30 to 0.95 micro-F1 at its training length within the `cpu` budget.

Run `python benchmarks/learning_clrs.py [algorithm] [activation] [seed]`; it prints the budget, what it took in core
seconds, and the scores. Exit status 1 where the validation score stays under 95 %.
"""

from __future__ import annotations

import os
import sys
import time

from tasks import Context, clrs30


def main(algorithm: str = "bfs", activation: str = "relu", seed: str = "0") -> int:
    """Run one `cpu` cell on one thread and print what came out."""
    os.environ.update(clrs30.cpu_environment(threads=1))  # before jax starts
    from activations import get

    task = next(task for task in clrs30.TASKS if task.algorithm == algorithm)
    recipe = task.spec.recipes["cpu"]
    measured = task.run(get(activation), int(seed), recipe, Context())
    best, score = measured.metrics["best_val_score"], measured.score
    print(f"{algorithm}, {activation}, seed {seed}: {recipe}")
    print(f"best validation micro-F1 at length {recipe.val_length}: {best:.2f} %")
    print(f"test micro-F1 at length {recipe.test_length}, {recipe.test_samples} local samples: {score:.2f} %")
    print(f"{measured.parameters} parameters, {time.process_time():.0f} core seconds with start-up and compilation")
    return 0 if best >= 95.0 else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
