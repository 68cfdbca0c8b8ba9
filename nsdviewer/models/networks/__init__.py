"""Neural-network decoders, fMRI → joint embedding: networks, losses, and training that survives."""
