"""What galleries and forms ask for beside jobs: archives of outputs, links to one job, presets."""
