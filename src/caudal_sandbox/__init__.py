"""Partners as they really behave, over HTTP, with the faults that they really have."""
