"""What LAPA is compared with: cloning of labels it has not, and control by predicted video."""
