"""The questions that the suite was built for, answered from the records: `docs/findings.md`.

1. `outside`: do periodic perturbations of GELU beat ReLU and GELU out of distribution?
2. `collapse`: do functions that look at statistics of a batch or of features collapse in the field?
3. `predict`: does the order in the lab predict the order in the field?

`hours` says what an hour bought, `page` puts all of it into sentences and tables. Each question corrects its own tests;
the leaderboard corrects over everything that a reader looks at, so a difference may be told here and not there.
"""

from bench.findings.page import render_findings

__all__ = ["render_findings"]
