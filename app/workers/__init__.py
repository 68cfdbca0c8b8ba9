"""What runs on worker threads. Importing it loads the library, so only workers import it."""
