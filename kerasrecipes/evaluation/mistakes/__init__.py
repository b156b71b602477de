"""Which examples to look at first: wrong labels, sure mistakes, copies that differ, odd ones."""
