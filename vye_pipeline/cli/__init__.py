"""`vye …` for people at a terminal: commands, the words they take, how answers look."""
