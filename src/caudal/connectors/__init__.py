"""Partners, one folder each, behind one protocol."""
