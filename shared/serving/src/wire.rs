//! Histories and instants as they stand in requests and golden rows.
