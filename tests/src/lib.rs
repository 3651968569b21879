//! Nothing by itself: the tests of the product as a whole are in `storecast/`.
