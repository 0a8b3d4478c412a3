"""Every figure of the book: functions from data to a matplotlib Figure."""
