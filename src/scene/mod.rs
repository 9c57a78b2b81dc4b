//! Pixels to the plain numbers of `domain::scene`.
