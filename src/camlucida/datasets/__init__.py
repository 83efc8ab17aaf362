"""What is measured on: cohorts, tables, patients, splits and ground truth."""
