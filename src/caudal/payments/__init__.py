"""The payment state machine: the only orchestrator of money movement."""
