"""What a firmware engineer gets of a network: sources, golden vectors, a model card, and the proof that they agree.

Nothing here asks the tracker or the configuration; `sweep/export/` gathers what goes in.
"""
