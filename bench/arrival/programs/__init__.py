"""The two handlers whose starts are noted; started as processes, never imported from here."""
