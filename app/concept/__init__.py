"""The concept: its box, its words, weights and tests."""
