"""Which of many smaller models is best within limits."""
