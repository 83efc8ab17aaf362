"""A cohort: which images, of which patients, with which truth, asked of which models; described by one TOML file."""

from camlucida.cohort.config import CohortFile, read_config
from camlucida.cohort.members import Member, Members, read_members

__all__ = ["CohortFile", "Member", "Members", "read_config", "read_members"]
