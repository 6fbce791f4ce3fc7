"""Cases: work for people, grouped by what it is about."""
