"""What records hold, in the terminal and as a page; learning curves."""
