"""Words of reports in other languages than English: one TOML file a language."""
