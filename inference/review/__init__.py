"""Review of the doctor's list: missed, doubtful, red flags, incomplete."""
