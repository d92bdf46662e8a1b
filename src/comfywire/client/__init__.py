"""What users hold: clients, jobs, results."""
