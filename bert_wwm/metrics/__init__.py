"""How good predictions are, each measure as its official program has it."""
