"""The verbs of `localstack/dev`: what brings the loop up on a laptop, shows it, tests it and takes it down."""
