//! Stores that let others go first, and that fail when told to.

use bytes::Bytes;
use features::time::Timestamp;
use serving::batch::name::MARKER;
use serving::batch::ports::{
    FileArchive, FileHead, FilePlace, FileStore, FileVersion, Listed, Part, Piece,
};
use serving::batch::{Arrival, Claim, ClaimStore};
use serving::ports::{
    Histories, HistoryStore, LastPrediction, PointerChange, PointerStore, PredictionCounts,
    PredictionStore, StoreError,
};
use std::future::{Future, poll_fn};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::task::Poll;

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The store is not there.
    Before,
    /// The store does what it is asked, and its answer is lost.
    After,
    /// The store is asked too often: of a list it writes the first half.
    Partly,
    /// The store refuses, as for a role that was changed.
    Refused,
}

/// What a store that refuses says.
pub(super) const REFUSAL: &str = "AccessDenied";

/// Decides what happens to the next call.
pub(crate) type Plan = Arc<Mutex<dyn FnMut() -> Fault + Send>>;

/// A store whose every call waits for one more poll, then meets its fault. Who drops a run between two polls kills it
/// between two calls.
pub(crate) struct Faulty<S> {
    pub(crate) inner: Arc<S>,
    pub(crate) plan: Plan,
    /// Markers that were written, whose events the bucket would send.
    pub(crate) markers: Arc<Mutex<Vec<FilePlace>>>,
}

impl<S> Clone for Faulty<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            plan: Arc::clone(&self.plan),
            markers: Arc::clone(&self.markers),
        }
    }
}

impl<S: Send + Sync> Faulty<S> {
    pub(crate) fn new(inner: S, plan: &Plan) -> Self {
        Self {
            inner: Arc::new(inner),
            plan: Arc::clone(plan),
            markers: Arc::default(),
        }
    }

    /// The events of markers that were written since they were last asked for.
    pub(super) fn continuations(&self) -> Vec<Arrival> {
        let markers = std::mem::take(&mut *self.markers.lock().expect("no panic"));
        let arrival = |place: FilePlace| Arrival {
            bucket: place.bucket,
            key: place.key,
            ..Arrival::default()
        };
        markers.into_iter().map(arrival).collect()
    }

    /// Lets others go first, then says what happens.
    async fn turn(&self) -> Fault {
        let mut is_later = false;
        poll_fn(|context| {
            if is_later {
                return Poll::Ready(());
            }
            is_later = true;
            // For who does not poll by hand.
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        (self.plan.lock().expect("no panic"))()
    }

    async fn call<T: Send>(
        &self,
        effect: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.list(effect, async { Ok(()) }).await
    }

    /// A call that writes a list, of which `half` writes the first half.
    async fn list<T: Send, H: Send>(
        &self,
        effect: impl Future<Output = Result<T, StoreError>> + Send,
        half: impl Future<Output = Result<H, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let unavailable = |said| StoreError::unavailable("call", "a store", said);
        match self.turn().await {
            Fault::None => effect.await,
            Fault::Before => Err(unavailable("503 SlowDown")),
            Fault::After => {
                effect.await?;
                Err(unavailable("timed out"))
            }
            Fault::Partly => {
                half.await?;
                Err(unavailable("ThrottlingException"))
            }
            Fault::Refused => Err(StoreError::broken("call", "a store", REFUSAL)),
        }
    }
}

impl<S: FileStore> FileStore for Faulty<S> {
    async fn head_file(
        &self,
        place: &FilePlace,
        version_id: Option<&str>,
    ) -> Result<Option<FileHead>, StoreError> {
        self.call(self.inner.head_file(place, version_id)).await
    }

    async fn read_file(
        &self,
        place: &FilePlace,
        version: &FileVersion,
        range: Range<u64>,
    ) -> Result<Piece, StoreError> {
        self.call(self.inner.read_file(place, version, range)).await
    }

    async fn put_file(&self, place: &FilePlace, bytes: Bytes) -> Result<(), StoreError> {
        self.call(async {
            let put = self.inner.put_file(place, bytes).await;
            if place.key.ends_with(MARKER) {
                self.markers.lock().expect("no panic").push(place.clone());
            }
            put
        })
        .await
    }

    async fn begin_upload(&self, place: &FilePlace) -> Result<String, StoreError> {
        self.call(self.inner.begin_upload(place)).await
    }

    async fn put_part(
        &self,
        place: &FilePlace,
        upload: &str,
        number: u32,
        bytes: Bytes,
    ) -> Result<Option<Part>, StoreError> {
        self.call(self.inner.put_part(place, upload, number, bytes))
            .await
    }

    async fn complete_upload(
        &self,
        place: &FilePlace,
        upload: &str,
        parts: &[Part],
    ) -> Result<bool, StoreError> {
        self.call(self.inner.complete_upload(place, upload, parts))
            .await
    }

    async fn abort_upload(&self, place: &FilePlace, upload: &str) -> Result<(), StoreError> {
        self.call(self.inner.abort_upload(place, upload)).await
    }
}

impl<S: ClaimStore> ClaimStore for Faulty<S> {
    async fn get_claim(&self, key: &str) -> Result<Option<Claim>, StoreError> {
        self.call(self.inner.get_claim(key)).await
    }

    async fn swap_claim(
        &self,
        key: &str,
        expected: Option<&Claim>,
        claim: &Claim,
    ) -> Result<bool, StoreError> {
        self.call(self.inner.swap_claim(key, expected, claim)).await
    }
}

impl<S: HistoryStore> HistoryStore for Faulty<S> {
    async fn get_histories(
        &self,
        kind: &'static str,
        ids: &[&str],
    ) -> Result<Histories, StoreError> {
        self.call(self.inner.get_histories(kind, ids)).await
    }

    async fn put_histories(
        &self,
        kind: &'static str,
        records: &[(String, Bytes)],
    ) -> Result<(), StoreError> {
        let half = &records[..records.len() / 2];
        let half = self.inner.put_histories(kind, half);
        self.list(self.inner.put_histories(kind, records), half)
            .await
    }

    async fn retain_histories(
        &self,
        kind: &'static str,
        keep: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<usize, StoreError> {
        self.call(self.inner.retain_histories(kind, keep)).await
    }

    async fn remove_histories(&self, kind: &'static str, ids: &[&str]) -> Result<(), StoreError> {
        let half = self.inner.remove_histories(kind, &ids[..ids.len() / 2]);
        self.list(self.inner.remove_histories(kind, ids), half)
            .await
    }

    async fn set_complete_through(
        &self,
        kind: &'static str,
        instant: Timestamp,
    ) -> Result<(), StoreError> {
        self.call(self.inner.set_complete_through(kind, instant))
            .await
    }
}

impl<S: PointerStore> PointerStore for Faulty<S> {
    async fn get_pointers(&self, names: &[&str]) -> Result<Vec<Option<String>>, StoreError> {
        self.call(self.inner.get_pointers(names)).await
    }

    async fn set_pointers(&self, changes: &[PointerChange<'_>]) -> Result<bool, StoreError> {
        self.call(self.inner.set_pointers(changes)).await
    }
}

impl<S: PredictionStore> PredictionStore for Faulty<S> {
    async fn put_predictions(
        &self,
        function: &'static str,
        predictions: &[LastPrediction],
    ) -> Result<PredictionCounts, StoreError> {
        let half = &predictions[..predictions.len() / 2];
        let half = self.inner.put_predictions(function, half);
        self.list(self.inner.put_predictions(function, predictions), half)
            .await
    }

    async fn get_predictions(
        &self,
        function: &'static str,
        keys: &[&str],
    ) -> Result<Vec<Option<LastPrediction>>, StoreError> {
        self.call(self.inner.get_predictions(function, keys)).await
    }

    async fn remove_predictions(
        &self,
        function: &'static str,
        keys: &[&str],
    ) -> Result<(), StoreError> {
        let half = &keys[..keys.len() / 2];
        let half = self.inner.remove_predictions(function, half);
        self.list(self.inner.remove_predictions(function, keys), half)
            .await
    }
}

impl<S: FileArchive> FileArchive for Faulty<S> {
    async fn list_files(&self, bucket: &str, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.call(self.inner.list_files(bucket, prefix)).await
    }

    async fn list_contents(&self, bucket: &str, prefix: &str) -> Result<Vec<Listed>, StoreError> {
        self.call(self.inner.list_contents(bucket, prefix)).await
    }

    async fn replace_file(
        &self,
        place: &FilePlace,
        expected: &FileVersion,
        bytes: Bytes,
    ) -> Result<bool, StoreError> {
        self.call(self.inner.replace_file(place, expected, bytes))
            .await
    }

    async fn remove_file(
        &self,
        place: &FilePlace,
        version: &FileVersion,
    ) -> Result<(), StoreError> {
        self.call(self.inner.remove_file(place, version)).await
    }
}
