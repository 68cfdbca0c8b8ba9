"""What all trainings of generators share: pictures, augmentation, plans and runs."""
