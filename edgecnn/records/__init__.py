"""What stands on disk between two steps."""
