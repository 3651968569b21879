//! What a start leaves for later: most of the golden rows, which are replayed beside the requests that follow.
//!
//! The files are those that were published, by their hashes, and whoever published them replayed every row. What may differ here is the
//! code and the processor, and that shows in nearly every row; so a start replays a sample, and the first answer does not wait for the
//! rest. A release that comes while another is served is replayed in full before it is taken up: nobody waits for that.

use super::{Follower, LOOK_EVERY};
use serving::predictor::{Predictor, Served};
use serving::registry::{GoldenRows, PinnedFiles, Pins, Refusal};
use serving::service::Service;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long the rest waits, so that the answer leaves before it: both may share less than one processor.
const PAUSE: Duration = Duration::from_millis(2);

impl<P: Predictor> Follower<P> {
    /// Whether this is the start, and no sample has deceived.
    pub(super) fn may_sample(&self) -> bool {
        let state = self.state();
        state.releases.is_none() && !state.distrusts_samples
    }

    /// Nothing is answered yet, so the checks are made here and not on a thread of their own.
    pub(super) fn by_sample(
        &self,
        pins: &Pins,
        files: PinnedFiles,
    ) -> Result<Arc<Served<P>>, Refusal> {
        let library = self.runtime_library.as_deref();
        let served = Arc::new(files.verified(pins, library, GoldenRows::Sample)?);
        self.replaying.store(true, Ordering::Release);
        self.state().sampled.push((Arc::clone(&served), files));
        Ok(served)
    }

    /// Replays all rows of what was taken up by a sample, once, in a moment and on another thread.
    pub(in crate::function) fn check_rest(self: &Arc<Self>) {
        let sampled = std::mem::take(&mut self.state().sampled);
        if sampled.is_empty() {
            return;
        }
        let follower = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(PAUSE).await;
            tokio::task::spawn_blocking(move || {
                for (served, files) in sampled {
                    let check = || files.check_golden(&served.model, GoldenRows::All);
                    let checked = std::panic::catch_unwind(AssertUnwindSafe(check));
                    let panicked =
                        |_| Err(Refusal::unreadable("golden rows", "the replay panicked"));
                    if let Err(refusal) = checked.unwrap_or_else(panicked) {
                        follower.distrust(refusal);
                    }
                }
                follower.replaying.store(false, Ordering::Release);
            });
        });
    }

    /// Nothing more is answered with what is loaded. The next request looks again, and replays every row before it answers.
    fn distrust(&self, refusal: Refusal) {
        tracing::error!(%refusal, is_serving = false, "model refused");
        let mut state = self.state();
        state.distrusts_samples = true;
        state.releases = None;
        state.service = Arc::new(Service::new(self.store.clone(), Err(refusal)));
        if let Some(due) = state.looked_at.checked_sub(LOOK_EVERY) {
            state.looked_at = due;
        }
    }
}
