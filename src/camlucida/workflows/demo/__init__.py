"""The demonstration: five kinds of study from their inputs to their reports, and a model that cheats; all on SYNTHETIC data."""

from camlucida.workflows.demo.run import DemoResult, run_demo

__all__ = ["DemoResult", "run_demo"]
