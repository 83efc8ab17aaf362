"""What the maps and predictions of runs show: cases, comparisons, ensembles, change over time."""
