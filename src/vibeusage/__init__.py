"""How much of each AI coding plan is used, where you already look."""
