"""Is the model good? Metrics of its predictions, with patient-level intervals."""
