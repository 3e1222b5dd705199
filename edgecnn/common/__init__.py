"""What knows no noun of this project: files, documents, text, statistics, the console."""
