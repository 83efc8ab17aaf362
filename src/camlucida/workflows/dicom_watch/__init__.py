"""``camlucida watch``: DICOM images that arrive are explained, and objects are sent back."""

from camlucida.workflows.dicom_watch.job import Watch, WatchedImage
from camlucida.workflows.dicom_watch.network import Node, parse_node, receiving, send
from camlucida.workflows.dicom_watch.room import Room
from camlucida.workflows.dicom_watch.waiting import FolderPoll

__all__ = ["FolderPoll", "Node", "Room", "Watch", "WatchedImage", "parse_node", "receiving", "send"]
