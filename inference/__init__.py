"""Every capability as a function from a sequence of inputs to a sequence of answers of the same length."""
