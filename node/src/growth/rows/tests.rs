//! Rows of growth models: who is in, with which values.
