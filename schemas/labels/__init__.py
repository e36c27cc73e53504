"""Which security labels a record carries: stated by its sender, and by what its codes mean."""
