"""What all trainings share: run folders that survive, several processes, memory, manners."""
