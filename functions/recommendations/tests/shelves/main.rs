//! The function over made-up shops: what must hold of every answer, whatever the catalogue, the carts, the stock and the rules.

mod cold;
mod hostile;
mod properties;
mod reads;
mod shop;
