"""Putting labels right: a page on this machine that shows what to look at, and keeps decisions."""
