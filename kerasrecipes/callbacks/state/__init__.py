"""Everything that a training needs to go on as if never stopped."""
