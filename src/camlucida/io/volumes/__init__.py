"""Reading volumes: each into one :class:`Volume` or one
:class:`~camlucida.core.errors.ImageError`.
"""

from camlucida.io.volumes.read import expand_volumes, read_volume
from camlucida.io.volumes.volume import Volume

__all__ = ["Volume", "expand_volumes", "read_volume"]
