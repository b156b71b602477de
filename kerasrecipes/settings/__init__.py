"""The settings of a recipe as one table: what each may be, when it acts, with what it goes."""
