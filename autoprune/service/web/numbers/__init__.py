"""What the pages show, as plain values: series, rows, texts. No widgets, no database."""
