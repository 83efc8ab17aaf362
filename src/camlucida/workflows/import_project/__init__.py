"""What is in a training project's folder: a model card, a cohort, and the command to run next."""

from camlucida.workflows.import_project.job import ImportChoices, ImportResult, import_project

__all__ = ["ImportChoices", "ImportResult", "import_project"]
