"""Models over time as functions of one step and a state."""
