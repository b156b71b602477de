"""Large photos cut into tiles that overlap: how, and what is known of each tile."""
