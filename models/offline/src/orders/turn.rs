//! The pointer `orders`: who may write to the table until when, and what the table may hold.

use super::MergeError;
use super::ledger::Ledger;
use crate::histories::Histories;
use crate::store::{self, Loaded};
use serde::{Deserialize, Serialize};
use serving::batch::claim::LEASE_MARGIN_MS;
use serving::batch::run::Clock;
use serving::ports::{HistoryStore, PointerStore, StoreError};

const POINTER: &str = "orders";
/// Ledgers that are remembered. Merges that ended early leave one each; after that many all is written anew.
const MOST_LEDGERS: usize = 8;

/// What stands in the pointer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    /// Counts changes, so that no two texts are equal: who read an older one cannot take it for this one.
    revision: u64,
    lease: Option<Lease>,
    /// Of which files, shop and forgotten customers the table is a view.
    inputs: Option<String>,
    /// Every record of the table is that of one of these ledgers. The first is the last that was completed; none where that
    /// is not known.
    ledgers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lease {
    owner: String,
    /// Milliseconds since 1970.
    until_ms: i64,
}

/// The right to write histories, which one process has at a time.
///
/// An owner is gone when its lease has ended: it is the deadline of its invocation and a margin for clocks that differ, and a
/// merge writes nothing after the deadline. A load does not look at the clock while it writes: one of many hours is told at its
/// end that it was overtaken, and has to be repeated.
#[derive(Debug)]
pub struct Turn<'a, S> {
    store: &'a S,
    /// As it stands in the store.
    text: String,
    state: State,
}

impl<'a, S: PointerStore> Turn<'a, S> {
    /// Takes the turn; `None` while somebody else has it.
    pub async fn take(
        store: &'a S,
        owner: &str,
        clock: &impl Clock,
    ) -> Result<Option<Self>, MergeError> {
        let (text, mut state) = read(store).await?;
        let now_ms = clock.now_ms();
        if state.lease.is_some_and(|lease| lease.until_ms > now_ms) {
            return Ok(None);
        }
        state.revision += 1;
        state.lease = Some(Lease {
            owner: owner.to_owned(),
            until_ms: now_ms + clock.remaining_ms() + LEASE_MARGIN_MS,
        });
        let new = write(&state)?;
        let taken = store.set_pointer(POINTER, text.as_deref(), &new).await?;
        Ok(taken.then_some(Self {
            store,
            text: new,
            state,
        }))
    }

    /// Ends the turn of an owner that failed, whatever it knows of the state; somebody else's stays.
    pub async fn give_up(store: &'a S, owner: &str) -> Result<(), MergeError> {
        let (text, state) = read(store).await?;
        let lease = state.lease.as_ref();
        let is_own = lease.is_some_and(|lease| lease.owner == owner);
        if let Some(text) = text.filter(|_| is_own) {
            Self { store, text, state }.release().await?;
        }
        Ok(())
    }

    /// Writes all histories, whatever the table held, and ends the turn. `progress` is told of each kind how many are
    /// written.
    pub async fn write_all(
        mut self,
        histories: &Histories,
        progress: &dyn Fn(u64),
    ) -> Result<Vec<Loaded>, MergeError>
    where
        S: HistoryStore,
    {
        // No merge may take what stands there for what an earlier one wrote.
        let mut next = self.state.clone();
        (next.ledgers, next.inputs) = (Vec::new(), None);
        self.advance(next).await?;
        let loaded = store::write_all(self.store, histories, progress).await?;
        self.release().await?;
        Ok(loaded)
    }

    /// The ledger of the table, where it is the view of exactly this.
    pub(super) fn ledger_of(&self, inputs: &str) -> Option<&str> {
        match &self.state.ledgers[..] {
            [ledger] if self.state.inputs.as_deref() == Some(inputs) => Some(ledger),
            _ => None,
        }
    }

    /// Ledgers of all that the table may hold; none where that is not known.
    pub(super) fn ledgers(&self) -> &[String] {
        &self.state.ledgers
    }

    /// What is written from now on is of this ledger; `known` are those that were found.
    pub(super) async fn may_hold(
        &mut self,
        known: &[Ledger],
        ledger: &str,
    ) -> Result<(), MergeError> {
        let mut next = self.state.clone();
        next.inputs = None;
        if known.is_empty() || next.ledgers.len() >= MOST_LEDGERS {
            next.ledgers.clear();
        } else if !next.ledgers.iter().any(|name| name == ledger) {
            next.ledgers.push(ledger.to_owned());
        }
        self.advance(next).await
    }

    /// The table holds this ledger and nothing else.
    pub(super) async fn settle(&mut self, ledger: &str, inputs: String) -> Result<(), MergeError> {
        let mut next = self.state.clone();
        next.ledgers = vec![ledger.to_owned()];
        next.inputs = Some(inputs);
        self.advance(next).await
    }

    /// Ends the turn, and changes nothing else.
    pub async fn release(&mut self) -> Result<(), MergeError> {
        let mut next = self.state.clone();
        next.lease = None;
        self.advance(next).await
    }

    async fn advance(&mut self, mut next: State) -> Result<(), MergeError> {
        next.revision += 1;
        let text = write(&next)?;
        let moved = self.store.set_pointer(POINTER, Some(&self.text), &text);
        if !moved.await? {
            return Err(MergeError::Overtaken);
        }
        (self.text, self.state) = (text, next);
        Ok(())
    }
}

async fn read(store: &impl PointerStore) -> Result<(Option<String>, State), StoreError> {
    let text = store.get_pointers(&[POINTER]).await?.pop().flatten();
    let Some(text) = text else {
        return Ok((None, State::default()));
    };
    let state = serde_json::from_str(&text);
    let state = state.map_err(|e| StoreError::broken("read", "pointer orders", e.to_string()))?;
    Ok((Some(text), state))
}

fn write(state: &State) -> Result<String, StoreError> {
    serde_json::to_string(state)
        .map_err(|e| StoreError::broken("write", "pointer orders", e.to_string()))
}
