"""The benchmark: methods and metrics put to the test on films whose evidence is known, with models proven to use it."""
