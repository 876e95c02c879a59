"""Records in, files out: tables, Pareto fronts, ROC figures and the report."""
