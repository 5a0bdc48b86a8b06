"""The items of an export: the index of this run, and the files of the previous export."""
