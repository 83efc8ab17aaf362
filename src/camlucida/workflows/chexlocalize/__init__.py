"""CheXlocalize's protocol on saved maps, from files to tables and a page."""
