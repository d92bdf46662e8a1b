"""What requests and answers carry, as bytes: JSON within bounds, forms as they come, ranges of files."""
