"""One row a case: what the model predicted, the ground truth, and where the attribution lies."""
