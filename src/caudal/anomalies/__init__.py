"""Anomalies: what is unlike an entity's own past, found online and explained in words."""
