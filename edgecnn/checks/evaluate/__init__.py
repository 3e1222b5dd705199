"""`edgecnn eval`: how right a model's files are, class by class, how sure, and on which pictures they are wrong."""
