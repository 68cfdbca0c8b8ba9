"""Sessions: opening, saving, keeping what is not saved, and offering it back."""
