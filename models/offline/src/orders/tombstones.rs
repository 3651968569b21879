//! Who is forgotten: hashes in pointers of the table, which every load and merge into it reads.

use crate::ingest::Forgotten;
use serving::ports::{PointerStore, StoreError};

/// One pointer for each first digit of a hash, so that each stays far below what an item holds.
const DIGITS: &str = "0123456789abcdef";
/// Hashes that a pointer holds: 33 bytes each, and an item of `DynamoDB` ends at 400 KB.
const MOST_OF_A_POINTER: usize = 10_000;
/// Times that somebody else's tombstone may come in between.
const ATTEMPTS: u32 = 20;

fn pointer(digit: char) -> String {
    format!("forgotten/{digit}")
}

/// Everybody who is forgotten.
pub async fn forgotten(store: &impl PointerStore) -> Result<Forgotten, StoreError> {
    let names: Vec<String> = DIGITS.chars().map(pointer).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = store.get_pointers(&names).await?;
    let hashes = found.iter().flatten().flat_map(|text| text.split(' '));
    Ok(Forgotten::by_hash(hashes.map(str::to_owned)))
}

/// Adds a customer for good.
pub(super) async fn bury(store: &impl PointerStore, customer_id: &str) -> Result<(), StoreError> {
    let hash = Forgotten::hash(customer_id);
    let name = pointer(hash.chars().next().unwrap_or('0'));
    let broken = |reason: &str| StoreError::broken("set", format!("pointer {name}"), reason);
    for _ in 0..ATTEMPTS {
        let text = store.get_pointers(&[&name]).await?.pop().flatten();
        let mut hashes: Vec<&str> = text.iter().flat_map(|text| text.split(' ')).collect();
        if hashes.contains(&hash.as_str()) {
            return Ok(());
        }
        if hashes.len() >= MOST_OF_A_POINTER {
            return Err(broken("it is full: too many customers were forgotten"));
        }
        hashes.push(&hash);
        hashes.sort_unstable();
        let more = hashes.join(" ");
        if store.set_pointer(&name, text.as_deref(), &more).await? {
            return Ok(());
        }
    }
    Err(broken("others changed it again and again"))
}
