"""iris: three kinds of flower from four lengths, by logistic regression."""
