"""What runs by itself beside the doors: sending, and what time does."""
