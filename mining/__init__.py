"""How new activation functions are found: candidates evolve in the synthetic lab, and what survives joins the suite.

A proposal (`candidate`) is traced in the `jail` where it is foreign text, screened (`screen`) and told from what is
known (`identity`); `judge` does all three. What is new is trained on a ladder of budgets (`fitness`, in processes of
`workers`) and joins the `population`, one SQLite file, whose islands (`island`) and niches (`behaviour`) the proposers
breed from. `search` is the loop, `report` says what came of it, `promote` writes a function into the catalogue.

Proposers: `genetic` (with `moves` and `draft`), `llm` (with `prompt` and `transcript`), and those of "Searching for
Activation Functions" on `core_units`: `exhaustive`, `controller`, `random_search`.
Importing this package imports neither torch nor jax.
"""
