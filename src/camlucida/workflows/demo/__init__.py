"""The demonstration: five tasks from inputs to reports, and a shortcut; all on SYNTHETIC data."""

from camlucida.workflows.demo.run import DemoResult, run_demo

__all__ = ["DemoResult", "run_demo"]
