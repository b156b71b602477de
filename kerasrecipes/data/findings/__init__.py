"""What a person should know of examples before they are used, and what stops their use."""
