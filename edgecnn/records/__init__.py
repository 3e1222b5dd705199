"""The records that stand on disk between two steps."""
