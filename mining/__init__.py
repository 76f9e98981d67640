"""How new activation functions are found: candidates evolve in the synthetic lab, and what survives joins the suite."""
