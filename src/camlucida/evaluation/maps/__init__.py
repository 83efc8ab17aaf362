"""Are the explanations good? Metrics of every map, with baselines, intervals and chance levels."""
