"""Tools of the documentation: tables printed from the code, and pictures of real output."""
