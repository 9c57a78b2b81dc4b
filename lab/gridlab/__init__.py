"""The scene lab: streets that a seed describes, pictures and truth that come of them."""
