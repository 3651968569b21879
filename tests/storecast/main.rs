//! The product as a whole: the committed model and policy, the function's own code, the real binary.

mod algebra;
mod api;
mod decision;
mod end_to_end;
mod events;
mod golden;
mod registry;
mod shop;
mod tidy;
