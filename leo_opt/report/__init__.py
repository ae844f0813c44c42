"""What a run did: values, trees for JSON, and tables for a terminal and for notebooks."""
