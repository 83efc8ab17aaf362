"""``camlucida export dicom``: explanations as DICOM objects in the studies of their images."""

from camlucida.workflows.dicom_export.job import ExportOutcome, ExportRequest, export_dicom

__all__ = ["ExportOutcome", "ExportRequest", "export_dicom"]
