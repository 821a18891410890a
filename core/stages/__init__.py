"""One callable per pipeline stage, typed input to typed output."""
