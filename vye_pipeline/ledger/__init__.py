"""What this pipeline remembers: who belongs where, what was sent, what came back."""
