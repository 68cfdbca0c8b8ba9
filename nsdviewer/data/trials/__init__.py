"""The experiment: its design, the trial table, behaviour, and what is known of each picture."""
