"""What is learnt: the duel, the lessons, and the report page."""
