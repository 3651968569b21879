//! The stock of what may be offered, read at request time: packed records of the whole catalogue, in one round trip, kept
//! for some seconds.

use crate::api::Surface;
use crate::plan::{Plan, plan};
use crate::policy::{ShelfPolicy, Trust};
use crate::{Case, Recommendations, api::Request};
use bytes::Bytes;
use features::levels::{Level, SHARDS, Shard, encode, shard_of};
use features::time::Timestamp;
use serving::error::Error;
use serving::ports::HistoryStore;
use serving::predictor::{Scored, Served};
use serving::service::store_failed;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The kind of record that holds stock levels; its ids are the numbers of the shards.
pub const LEVELS: &str = "stock";

/// A shard as it was read; without levels where there is no such record.
#[derive(Debug, Clone)]
struct Read {
    /// By the handler's clock.
    at: Timestamp,
    known_at: Option<Timestamp>,
    shard: Option<Arc<Shard<Bytes>>>,
}

/// Shards that were read lately, for the requests that come next.
#[derive(Debug, Default)]
pub struct ShelfMemory(Mutex<BTreeMap<u32, Read>>);

impl ShelfMemory {
    /// What is kept of `wanted` and was read at most `seconds` ago.
    fn fresh(&self, wanted: &BTreeSet<u32>, now: Timestamp, seconds: i64) -> BTreeMap<u32, Read> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |shard: &u32| Some((*shard, kept.get(shard)?.clone()));
        let is_fresh = |read: &Read| (0..=seconds).contains(&(now.0 - read.at.0));
        let found = wanted.iter().filter_map(of);
        found.filter(|(_, read)| is_fresh(read)).collect()
    }

    fn keep(&self, read: &BTreeMap<u32, Read>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(read.iter().map(|(shard, read)| (*shard, read.clone())));
    }
}

/// What is known of stock.
#[derive(Debug, Clone, Default)]
pub struct KnownStock {
    /// By their numbers; none at all where nothing is known.
    shards: Vec<Option<Arc<Shard<Bytes>>>>,
    /// The instant the levels are of.
    known_at: Option<Timestamp>,
    /// The age of the levels at the instant asked for, days.
    age_days: f64,
}

/// Whether an item can be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// It is there, or the shop says to take it so.
    Offered,
    /// It is known not to be there.
    Out,
    /// Nobody knows, or not lately.
    Unknown,
}

impl KnownStock {
    /// Levels by product id, of an instant, looked at some days later.
    pub fn new(levels: BTreeMap<String, Level>, known_at: Timestamp, age_days: f64) -> Self {
        let mut by_shard: BTreeMap<u32, Vec<(String, Level)>> = BTreeMap::new();
        for (id, level) in levels {
            by_shard.entry(shard_of(&id)).or_default().push((id, level));
        }
        let opened = |(shard, levels): (u32, Vec<_>)| {
            let opened = Shard::open(Bytes::from(encode(&levels))).ok()?;
            Some((shard, Arc::new(opened)))
        };
        Self {
            shards: by_number(by_shard.into_iter().filter_map(opened)),
            known_at: Some(known_at),
            age_days,
        }
    }

    /// The level of a product; `None` where nobody tells.
    pub fn level(&self, product_id: &str) -> Option<Level> {
        let shard = self.shards.get(shard_of(product_id) as usize)?;
        shard.as_ref()?.get(product_id)
    }

    /// Whether the item may be offered.
    pub fn shelf(&self, product_id: &str, policy: &ShelfPolicy) -> Shelf {
        let trusted = |trust: Trust| match trust {
            Trust::Offer => Shelf::Offered,
            Trust::Withhold => Shelf::Unknown,
        };
        match self.level(product_id) {
            None => trusted(policy.stock.unknown),
            Some(level) if level.on_hand_milli <= 0 => Shelf::Out,
            Some(_) if self.is_stale(policy) => trusted(policy.stock.stale),
            Some(_) => Shelf::Offered,
        }
    }

    /// The instant the levels are of.
    pub fn known_at(&self) -> Option<Timestamp> {
        self.known_at
    }

    /// Whether the levels are older than the shop trusts.
    pub fn is_stale(&self, policy: &ShelfPolicy) -> bool {
        self.age_days > policy.stock.stale_after_days
    }

    /// Days until what is on hand is sold; `None` where that is not known, or not lately.
    pub fn cover_days(&self, product_id: &str, policy: &ShelfPolicy) -> Option<f64> {
        let level = self.level(product_id).filter(|_| !self.is_stale(policy))?;
        level.cover_days()
    }
}

fn by_number(
    shards: impl Iterator<Item = (u32, Arc<Shard<Bytes>>)>,
) -> Vec<Option<Arc<Shard<Bytes>>>> {
    let mut by_number = vec![None; SHARDS as usize];
    for (number, shard) in shards {
        by_number[number as usize] = Some(shard);
    }
    by_number
}

/// Plans the answer, reads the stock of all it may come to, and lets that speak on the order.
pub(crate) async fn gather<S: HistoryStore>(
    store: &S,
    request: &Request,
    case: &mut Case,
    scored: &Scored,
    served: &Served<Recommendations>,
) -> Result<(), Error> {
    let mut plan = plan(request, case, scored, served);
    let wanted = shards_of(&plan, request);
    case.stock = read(store, &wanted, case, served).await?;
    if let Ok(tables) = served.model.artifacts.tables() {
        plan.weigh(&case.stock, request, &served.policy, &tables.catalogue);
    }
    case.plan = Some(plan);
    Ok(())
}

/// The records of everything that may be shown.
fn shards_of(plan: &Plan, request: &Request) -> BTreeSet<u32> {
    if request.k == 0 && request.surface != Surface::AbandonedCart {
        return BTreeSet::new();
    }
    let choices = plan.choices.iter().map(|choice| choice.product_id.as_str());
    let cart = plan.replacements.iter().map(|(id, _)| id.as_str());
    let others = plan.replacements.iter().flat_map(|(_, others)| others);
    let mut is_wanted = [false; SHARDS as usize];
    for id in choices.chain(cart).chain(others.map(String::as_str)) {
        is_wanted[shard_of(id) as usize] = true;
    }
    (0..SHARDS)
        .filter(|shard| is_wanted[*shard as usize])
        .collect()
}

/// One round trip at most; none when everything was read within the last seconds.
async fn read<S: HistoryStore>(
    store: &S,
    wanted: &BTreeSet<u32>,
    case: &Case,
    served: &Served<Recommendations>,
) -> Result<KnownStock, Error> {
    debug_assert!(wanted.len() <= SHARDS as usize);
    let seconds = i64::from(served.policy.stock.kept_seconds);
    let mut found = served.memory.fresh(wanted, case.now, seconds);
    let missing: Vec<u32> = wanted
        .iter()
        .copied()
        .filter(|shard| !found.contains_key(shard))
        .collect();
    if !missing.is_empty() {
        let read = read_shards(store, &missing, case.now).await?;
        served.memory.keep(&read);
        found.extend(read);
    }
    let known_at = found.values().filter_map(|read| read.known_at).min();
    let shards = found
        .into_iter()
        .filter_map(|(shard, read)| Some((shard, read.shard?)));
    Ok(KnownStock {
        shards: by_number(shards),
        known_at,
        age_days: known_at.map_or(f64::INFINITY, |at| case.asked.days_since(at).max(0.0)),
    })
}

async fn read_shards<S: HistoryStore>(
    store: &S,
    shards: &[u32],
    now: Timestamp,
) -> Result<BTreeMap<u32, Read>, Error> {
    let ids: Vec<String> = shards.iter().map(u32::to_string).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let found = store
        .get_histories(LEVELS, &ids)
        .await
        .map_err(store_failed)?;
    let opened = shards.iter().zip(found.records).map(|(shard, record)| {
        let opened = record.map(|record| Shard::open(record).map(Arc::new));
        let opened = opened.transpose().map_err(|error| Error::Internal {
            what: "read stock levels",
            reason: error.to_string(),
        })?;
        let read = Read {
            at: now,
            known_at: found.complete_through,
            shard: opened,
        };
        Ok((*shard, read))
    });
    opened.collect()
}
