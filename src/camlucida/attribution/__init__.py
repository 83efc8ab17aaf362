"""From a model and an image to a signed map: targets, capture, methods, the engine."""
