"""Tables that say where examples lie and what they are answered with."""
