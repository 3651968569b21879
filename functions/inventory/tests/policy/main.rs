//! The policies against the textbook, an oracle, and what must hold for any input.

#![expect(
    clippy::float_cmp,
    reason = "whole quantities and values that are exact by definition"
)]
#![expect(
    clippy::unreadable_literal,
    clippy::excessive_precision,
    reason = "numbers as the sources print them"
)]

mod golden;
mod oracle;
mod plans;
mod properties;
mod refusals;
mod shelf;
