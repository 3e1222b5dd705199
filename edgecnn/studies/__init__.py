"""The studies on trained nets: the duel, the lessons, and the report page."""
