"""What a bench found, as rows, tables, plots and pages."""
