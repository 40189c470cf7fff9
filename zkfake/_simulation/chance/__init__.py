"""How a world behaves when nobody interferes, and the faults that the seed draws."""
