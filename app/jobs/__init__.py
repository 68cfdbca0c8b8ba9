"""Long work: the list of jobs, its drawer, logs and curves."""
