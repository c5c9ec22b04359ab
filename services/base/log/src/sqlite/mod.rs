//! The embedded log on SQLite.
