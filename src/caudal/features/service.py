"""Feature sets, and events as they become known. Nothing here opens or commits a transaction."""
