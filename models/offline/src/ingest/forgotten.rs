//! Customers of whom nothing may be known any more.

use serving::manifest::sha256_hex;
use std::collections::BTreeSet;

/// Hexadecimal digits kept of a hash: 128 bits.
const DIGITS: usize = 32;

/// Customers whose rows are as if they were not there, by a hash of their id.
///
/// A hash keeps an id out of sight. It does not keep it from whoever can try all ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten(BTreeSet<String>);

/// Nobody: what a load without a store knows.
pub static NOBODY: Forgotten = Forgotten(BTreeSet::new());

impl Forgotten {
    /// Customers by their [`hash`](Self::hash).
    pub fn by_hash(hashes: impl IntoIterator<Item = String>) -> Self {
        Self(hashes.into_iter().collect())
    }

    /// What stands for a customer.
    ///
    /// ```
    /// use offline::ingest::Forgotten;
    /// let forgotten = Forgotten::by_hash([Forgotten::hash("42")]);
    /// assert!(forgotten.holds("42") && !forgotten.holds("43"));
    /// ```
    pub fn hash(customer_id: &str) -> String {
        let mut hash = sha256_hex(format!("forgotten customer\n{customer_id}").as_bytes());
        hash.truncate(DIGITS);
        hash
    }

    /// Whether a customer is one of them.
    pub fn holds(&self, customer_id: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&Self::hash(customer_id))
    }

    /// Their hashes, rising.
    pub fn hashes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
