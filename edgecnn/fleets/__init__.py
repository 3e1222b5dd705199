"""A group of boards: what is done to one board is done to each, in parallel, with one record that can be resumed."""
