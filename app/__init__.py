"""The desktop window: the one place where Qt lives."""
